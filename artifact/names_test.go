package artifact

import (
	"bufio"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"regexp"
	"strings"
	"testing"

	"golang.org/x/mod/module"
)

// repositoryGrammar is that of the distribution specification.
var repositoryGrammar = regexp.MustCompile(`^[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*(/[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*)*$`)

// vectors returns the pairs of module path and repository that every encoder must agree with.
func vectors(tb testing.TB) [][2]string {
	tb.Helper()
	f, err := os.Open("testdata/repositories.tsv")
	if err != nil {
		tb.Fatal(err)
	}
	defer f.Close()
	var pairs [][2]string
	for s := bufio.NewScanner(f); s.Scan(); {
		path, repo, ok := strings.Cut(s.Text(), "\t")
		if !ok || strings.HasPrefix(path, "#") {
			continue
		}
		pairs = append(pairs, [2]string{path, repo})
	}
	if len(pairs) < 100 {
		tb.Fatalf("only %d vectors read", len(pairs))
	}
	return pairs
}

func TestRepositoryAgreesWithVectors(t *testing.T) {
	for _, v := range vectors(t) {
		path, want := v[0], v[1]
		repo, err := Repository(path)
		if err != nil || repo != want {
			t.Errorf("Repository(%q) = %q, %v; want %q", path, repo, err, want)
		}
		back, err := ModulePath(want)
		if long.MatchString(want[strings.LastIndexByte(want, '/')+1:]) {
			if !errors.Is(err, ErrLongName) {
				t.Errorf("ModulePath(%q) = %q, %v; want ErrLongName", want, back, err)
			}
		} else if err != nil || back != path {
			t.Errorf("ModulePath(%q) = %q, %v; want %q", want, back, err, path)
		}
	}
}

func TestRepositoryOfUnusualElements(t *testing.T) {
	for _, tt := range []struct{ path, repo string }{
		// Elements that look encoded already.
		{"example.com/a_u", "example.com/a_u_n"},
		{"example.com/a_n", "example.com/a_n_n"},
		{"example.com/a_n_n", "example.com/a_n_n_n"},
		{"example.com/a_12u", "example.com/a_12u_n"},
		{"example.com/go_dht", "example.com/go_dht_n"},
		{"example.com/0_x", "example.com/0_x_n"},
		{"example.com/A_u", "example.com/a_u_u"},
		{"example.com/a_u_u", "example.com/a_u_u_n"},
		// Elements that do not.
		{"example.com/a_12", "example.com/a_12"},
		{"example.com/a_u8", "example.com/a_u8"},
		{"example.com/a_d1", "example.com/a_d1"},
		{"example.com/a_nn", "example.com/a_nn"},
		{"example.com/n", "example.com/n"},
		{"example.com/long_z", "example.com/long_z"},
		{"example.com/lang_z" + strings.Repeat("0", 64), "example.com/lang_z" + strings.Repeat("0", 64)},
		// Registries' own word.
		{"example.com/referrers", "example.com/referrers_n"},
		{"example.com/referrers/v2", "example.com/referrers_n/v2"},
		{"example.com/referrers_n", "example.com/referrers_n_n"},
		{"example.com/Referrers", "example.com/referrers_u"},
		{"example.com/referrers_u", "example.com/referrers_u_n"},
		// Punctuation.
		{"example.com/a_~b", "example.com/a_b_2t"},
		{"example.com/a~_b", "example.com/a_b_1t"},
		{"example.com/~", "example.com/0_tx"},
		{"example.com/_-~", "example.com/0_lhtx"},
		{"example.com/0", "example.com/0"},
		{"example.com/0~", "example.com/0_1t"},
		{"example.com/_.a", "example.com/a_ld"},
		{"example.com/a-_-B", "example.com/a-b_2lhu"},
		{"xn--abc.example/y", "xn-abc.example_3h/y"},
		{"a.-/y", "a_1dh/y"},
	} {
		repo, err := Repository(tt.path)
		if err != nil || repo != tt.repo {
			t.Errorf("Repository(%q) = %q, %v; want %q", tt.path, repo, err, tt.repo)
		}
		if path, err := ModulePath(tt.repo); err != nil || path != tt.path {
			t.Errorf("ModulePath(%q) = %q, %v; want %q", tt.repo, path, err, tt.path)
		}
	}
}

func TestRepositoryCutsLongNames(t *testing.T) {
	// 200 characters fit, 201 do not.
	path := "example.com/" + strings.Repeat("a", maxName-len("example.com/"))
	if repo, err := Repository(path); err != nil || repo != path {
		t.Errorf("Repository of %d characters = %q, %v; want it unchanged", len(path), repo, err)
	}
	repo, err := Repository(path + "a")
	if err != nil || !strings.HasPrefix(repo, "example.com/long_z") || len(repo) != len("example.com/")+longLen {
		t.Errorf("Repository of %d characters = %q, %v", len(path)+1, repo, err)
	}
	// Not even the first element fits.
	host := strings.Repeat("a.", 70) + "com"
	repo, err = Repository(host + "/" + strings.Repeat("b", 60))
	if err != nil || !long.MatchString(repo) {
		t.Errorf("Repository with a host of %d characters = %q, %v", len(host), repo, err)
	}
	if _, err := ModulePath(repo); !errors.Is(err, ErrLongName) {
		t.Errorf("ModulePath(%q): %v; want ErrLongName", repo, err)
	}
	// As much as fits, to the character.
	prefix := "example.com/" + strings.Repeat("a", maxName-longLen-len("example.com//"))
	if repo, err = Repository(prefix + "/" + path); err != nil || len(repo) != maxName || !strings.HasPrefix(repo, prefix+"/") {
		t.Errorf("Repository below %q = %q (%d characters), %v", prefix, repo, len(repo), err)
	}
}

func TestRepositoryRefusesMalformedPaths(t *testing.T) {
	for _, path := range []string{
		"", "/", "sumdb", "sumdb/log", "example.com/", "example.com//a", "example.com/../a",
		"example.com/a b", "example.com/ä", "EXAMPLE.com/a", "example.com/a@v1.0.0", "example.com/a\x00", "-a.b/c",
	} {
		repo, err := Repository(path)
		var invalid *module.InvalidPathError
		if !errors.As(err, &invalid) {
			t.Errorf("Repository(%q) = %q, %v; want an InvalidPathError", path, repo, err)
		}
	}
}

func TestModulePathRefusesWhatRepositoryNeverReturns(t *testing.T) {
	hash := strings.Repeat("0", 64)
	for _, repo := range []string{
		"", "/", "sumdb/sum.example.org", "example.com/", "/example.com", "example.com//a", "library/alpine",
		"Example.com/a", "example.com/A", "example.com/~a", "example.com/a..b",
		"example.com/a_", "example.com/_u", "example.com/a_0u", "example.com/a_00u", "example.com/a_2u", "example.com/1_u",
		"example.com/a_x", "example.com/00_x", "example.com/0_x", "example.com/a_n", "example.com/a_b_n",
		"example.com/a_99999999999999999999u", "example.com/a_1t2t", "example.com/referrers", "example.com/a_1h1h", "example.com/a-_h",
		"example.com/a_d", // a leading dot is no module path
		"example.com/long_z" + hash + "/a",
		"example.com/a_x/long_z" + hash,
		strings.Repeat("a", 140) + ".com/long_z" + hash,
	} {
		path, err := ModulePath(repo)
		if err == nil || errors.Is(err, ErrLongName) {
			t.Errorf("ModulePath(%q) = %q, %v; want another error", repo, path, err)
		}
	}
}

// checkRepository checks the properties that hold for the repository of every path.
func checkRepository(t *testing.T, path string) (repo string) {
	t.Helper()
	repo, err := Repository(path)
	if err != nil {
		if module.CheckPath(path) == nil {
			t.Fatalf("Repository(%q): %v", path, err)
		}
		return ""
	}
	if module.CheckPath(path) != nil {
		t.Fatalf("Repository(%q) = %q of a malformed path", path, repo)
	}
	if !repositoryGrammar.MatchString(repo) || len(repo) > 200 {
		t.Fatalf("Repository(%q) = %q is no repository name", path, repo)
	}
	if last := repo[strings.LastIndexByte(repo, '/')+1:]; last == "referrers" {
		t.Fatalf("Repository(%q) = %q", path, repo)
	}
	back, err := ModulePath(repo)
	if errors.Is(err, ErrLongName) {
		if len(path) < 70 {
			t.Fatalf("Repository(%q) = %q without need", path, repo)
		}
	} else if err != nil || back != path {
		t.Fatalf("ModulePath(%q) = %q, %v; want %q", repo, back, err, path)
	}
	return repo
}

// randomPath returns a path from an alphabet in which encoded and natural elements collide easily.
func randomPath(r *rand.Rand) string {
	const alphabet = "aabBuudlhtxnz0012.__--~~"
	var b strings.Builder
	b.WriteString("a.b")
	for range 1 + r.IntN(3) {
		b.WriteByte('/')
		for range 1 + r.IntN(6) {
			b.WriteByte(alphabet[r.IntN(len(alphabet))])
		}
		switch r.IntN(40) {
		case 0:
			b.WriteString("referrers")
		case 1:
			fmt.Fprintf(&b, "long_z%064x", r.IntN(3))
		case 2:
			b.WriteString(strings.Repeat("/abcdefghij", 19))
		}
	}
	return b.String()
}

func TestRepositoryIsInjectiveAndReversible(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	seen := make(map[string]string)
	for range 40_000 {
		path := randomPath(r)
		repo := checkRepository(t, path)
		if repo == "" {
			continue
		}
		if other, ok := seen[repo]; ok && other != path {
			t.Fatalf("%q and %q share the repository %q", other, path, repo)
		}
		seen[repo] = path
	}
	if len(seen) < 10_000 {
		t.Fatalf("only %d valid paths tried", len(seen))
	}
}

// Every short element over a small alphabet, so that no collision can hide.
func TestEncodeElemIsInjective(t *testing.T) {
	const alphabet = "aAnux1._~"
	seen := make(map[string]string)
	var try func(elem string)
	try = func(elem string) {
		if elem != "" {
			enc := encodeElem(elem)
			if other, ok := seen[enc]; ok {
				t.Fatalf("%q and %q are both encoded as %q", other, elem, enc)
			}
			seen[enc] = elem
			if back, ok := decodeElem(enc); !ok || back != elem {
				t.Fatalf("decodeElem(%q) = %q, %v; want %q", enc, back, ok, elem)
			}
			if !repositoryGrammar.MatchString(enc) {
				t.Fatalf("encodeElem(%q) = %q", elem, enc)
			}
		}
		if len(elem) < 5 {
			for _, c := range alphabet {
				try(elem + string(c))
			}
		}
	}
	try("")
}

func FuzzRepository(f *testing.F) {
	for _, v := range vectors(f)[:40] {
		f.Add(v[0], v[1])
	}
	f.Add("example.com/A.~_-B", "example.com/a.b_u1tlhu")
	f.Add("example.com/-/~", "example.com/0_hx/0_tx")
	f.Fuzz(func(t *testing.T, a, b string) {
		ra, rb := checkRepository(t, a), checkRepository(t, b)
		if ra != "" && ra == rb && a != b {
			t.Fatalf("%q and %q share the repository %q", a, b, ra)
		}
	})
}

func FuzzModulePath(f *testing.F) {
	for _, v := range vectors(f)[:40] {
		f.Add(v[1])
	}
	f.Add("example.com/a.b_u1tlhu")
	f.Add("example.com/0_hx/0_tx")
	f.Add("example.com/long_z" + strings.Repeat("0", 64))
	f.Add(" /long_z" + strings.Repeat("0", 64))
	f.Fuzz(func(t *testing.T, repo string) {
		path, err := ModulePath(repo)
		if err != nil {
			return
		}
		if again, err := Repository(path); err != nil || again != repo {
			t.Fatalf("ModulePath(%q) = %q, whose repository is %q, %v", repo, path, again, err)
		}
	})
}
