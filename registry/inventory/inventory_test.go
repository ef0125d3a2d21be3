package inventory_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/modferry/modferry/artifact"
	"github.com/modferry/modferry/artifact/sign"
	"github.com/modferry/modferry/artifact/sign/signtest"
	"github.com/modferry/modferry/registry/inventory"
)

func of(s string) digest.Digest { return digest.FromString(s) }

// content is that of a small store.
func content() []inventory.Repository {
	return []inventory.Repository{
		{Name: "github.com/burntsushi_u4u/toml", Tags: []inventory.Tag{
			{Name: "rev-main", Digest: of("rev"), Signatures: of("rev.sig")},
			{Name: "sumdb-v1.6.0", Digest: of("evidence")},
			{Name: "v1.6.0", Digest: of("v1.6.0"), Signatures: of("v1.6.0.sig"), Referrers: of("bundles")},
			{Name: "v1.6.0.mod", Digest: of("v1.6.0.mod"), Referrers: of("other bundles")},
		}},
		{Name: "index", Tags: []inventory.Tag{{Name: "signer-0123456789abcdef", Digest: of("index"), Signatures: of("index.sig")}}},
		{
			Name:  "sumdb/sum.golang.org",
			Tags:  []inventory.Tag{{Name: "head-7", Digest: of("head")}, {Name: "latest", Digest: of("head")}},
			Blobs: slices.Sorted(slices.Values([]digest.Digest{of("edge"), of("spine")})),
		},
	}
}

func write(t testing.TB, f inventory.Format, repos []inventory.Repository) (string, digest.Digest) {
	t.Helper()
	var out bytes.Buffer
	w := inventory.NewWriter(&out, f)
	for _, r := range repos {
		if err := w.Add(r); err != nil {
			t.Fatal(err)
		}
	}
	sum, err := w.Close()
	if err != nil {
		t.Fatal(err)
	}
	return out.String(), sum
}

func parse(t testing.TB, text string) *inventory.Inventory {
	t.Helper()
	inv, err := inventory.Parse(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	return inv
}

func TestBothFormsSayTheSame(t *testing.T) {
	text, sum := write(t, inventory.Text, content())
	if sum != of(text) {
		t.Errorf("digest %s, want that of the text", sum)
	}
	lines, jsonSum := write(t, inventory.JSON, content())
	if jsonSum != sum {
		t.Error("the digest depends on the form")
	}
	for _, form := range []string{text, lines} {
		inv := parse(t, form)
		if inv.Digest() != sum || inv.Repositories() != 3 || inv.Tags() != 7 {
			t.Errorf("digest %s, %d repositories, %d tags of\n%s", inv.Digest(), inv.Repositories(), inv.Tags(), form)
		}
		checkContent(t, inv)
	}
}

func checkContent(t *testing.T, inv *inventory.Inventory) {
	t.Helper()
	for _, r := range content() {
		for _, tag := range r.Tags {
			if !inv.Has(r.Name, tag.Name, tag.Digest) || !inv.HasSignatures(r.Name, tag.Name, tag.Signatures) || !inv.HasReferrers(r.Name, tag.Name, tag.Referrers) {
				t.Errorf("%s:%s is missing", r.Name, tag.Name)
			}
			if inv.Has(r.Name, tag.Name, of("other")) || inv.HasSignatures(r.Name, tag.Name, of("other")) || inv.HasReferrers(r.Name, tag.Name, of("other")) {
				t.Errorf("%s:%s has any content", r.Name, tag.Name)
			}
			if inv.Has("example.com/other", tag.Name, tag.Digest) || inv.Has(r.Name, "v9.9.9", tag.Digest) {
				t.Errorf("%s:%s is elsewhere, too", r.Name, tag.Name)
			}
		}
		for _, b := range r.Blobs {
			if !inv.HasBlob(r.Name, b) || inv.HasBlob("index", b) {
				t.Errorf("blob %s", b)
			}
		}
	}
	if inv.HasBlob("sumdb/sum.golang.org", of("other")) || inv.HasSignatures("index", "signer-0123456789abcdef", "") {
		t.Error("what is not there is")
	}
}

func TestTextIsForPeople(t *testing.T) {
	text, _ := write(t, inventory.Text, content()[:1])
	short := func(s string, n int) string { return of(s).Encoded()[:n] }
	want := "modferry inventory 1\n" +
		"github.com/burntsushi_u4u/toml rev-main=" + short("rev", 16) + "." + short("rev.sig", 8) + " sumdb-v1.6.0=" + short("evidence", 16) +
		" v1.6.0=" + short("v1.6.0", 16) + "." + short("v1.6.0.sig", 8) + "+" + short("bundles", 8) +
		" v1.6.0.mod=" + short("v1.6.0.mod", 16) + "+" + short("other bundles", 8) + "\n" +
		"end 1 4\n"
	if text != want {
		t.Errorf("%s\nwant\n%s", text, want)
	}
	lines, _ := write(t, inventory.JSON, content()[1:2])
	want = `{"inventory":1}
{"repository":"index","tags":[{"tag":"signer-0123456789abcdef","digest":"` + string(of("index")) + `","signatures":"` + string(of("index.sig")) + `"}]}
{"repositories":1,"tags":1}
`
	if lines != want {
		t.Errorf("%s\nwant\n%s", lines, want)
	}
}

func TestHundredsOfVersionsFitAPageOrTwo(t *testing.T) {
	var repos []inventory.Repository
	for i := range 60 {
		r := inventory.Repository{Name: fmt.Sprintf("github.com/organisation/module%03d", i)}
		for j := range 5 {
			v := fmt.Sprintf("v1.%d.0", j)
			r.Tags = append(r.Tags, inventory.Tag{Name: v, Digest: of(r.Name + v), Signatures: of(r.Name + v + "s")})
		}
		repos = append(repos, r)
	}
	if text, _ := write(t, inventory.Text, repos); len(text) > 300*45 {
		t.Errorf("300 versions take %d bytes", len(text))
	}
}

func TestNoInventoryIsThatOfNothing(t *testing.T) {
	var none *inventory.Inventory
	if none.Has("a", "v1.0.0", of("x")) || none.HasBlob("a", of("x")) || none.Digest() != "" {
		t.Error("it has something")
	}
	text, _ := write(t, inventory.Text, nil)
	if inv := parse(t, text); inv.Tags() != 0 || inv.Digest() == "" {
		t.Error("an empty store has no digest")
	}
}

func TestWriterRefusesWhatCannotBeRead(t *testing.T) {
	one := inventory.Tag{Name: "v1.0.0", Digest: of("x")}
	for name, r := range map[string]inventory.Repository{
		"no name":         {Tags: []inventory.Tag{one}},
		"no tag":          {Name: "example.com/a"},
		"a space":         {Name: "example.com/a b", Tags: []inventory.Tag{one}},
		"no digest":       {Name: "example.com/a", Tags: []inventory.Tag{{Name: "v1.0.0"}}},
		"a tag twice":     {Name: "example.com/a", Tags: []inventory.Tag{one, one}},
		"not in order":    {Name: "example.com/a", Tags: []inventory.Tag{{Name: "v2.0.0", Digest: of("x")}, one}},
		"before the last": {Name: "a.example/a", Tags: []inventory.Tag{one}},
	} {
		w := inventory.NewWriter(io.Discard, inventory.Text)
		if err := w.Add(inventory.Repository{Name: "b.example/a", Tags: []inventory.Tag{one}}); err != nil {
			t.Fatal(err)
		}
		if r.Name == "example.com/a" {
			r.Name = "c" + r.Name
		}
		if err := w.Add(r); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

// TestWhatWasChangedOnTheWayIsRefused holds for every way of changing a line or a byte.
func TestWhatWasChangedOnTheWayIsRefused(t *testing.T) {
	for _, f := range []inventory.Format{inventory.Text, inventory.JSON} {
		whole, sum := write(t, f, content())
		lines := strings.SplitAfter(whole, "\n")
		for i := range lines[:len(lines)-1] {
			without := strings.Join(slices.Delete(slices.Clone(lines), i, i+1), "")
			twice := strings.Join(slices.Insert(slices.Clone(lines), i, lines[i]), "")
			for _, text := range []string{without, twice} {
				if _, err := inventory.Parse(strings.NewReader(text)); !errors.Is(err, inventory.ErrMalformed) {
					t.Errorf("%s, line %d missing or twice: %v", f, i+1, err)
				}
			}
		}
		for n := range len(whole) {
			if _, err := inventory.Parse(strings.NewReader(whole[:n])); !errors.Is(err, inventory.ErrMalformed) {
				t.Fatalf("%s, cut off after %d bytes: %v", f, n, err)
			}
		}
		for _, text := range []string{whole + "\n", whole + whole, " " + whole, strings.ReplaceAll(whole, "\n", "\r\n"), strings.ToUpper(whole)} {
			if _, err := inventory.Parse(strings.NewReader(text)); !errors.Is(err, inventory.ErrMalformed) {
				t.Errorf("%s: %.60q: %v", f, text, err)
			}
		}
		for i := range len(whole) {
			other := []byte(whole)
			other[i] ^= 1
			inv, err := inventory.Parse(bytes.NewReader(other))
			if err == nil && f == inventory.Text && inv.Digest() == sum {
				t.Fatalf("byte %d was changed, and nobody sees it", i)
			}
		}
	}
}

func TestMalformedLinesAreNamed(t *testing.T) {
	const d = "0123456789abcdef"
	for name, line := range map[string]string{
		"no tags":                  "example.com/a",
		"two spaces":               "example.com/a  v1.0.0=" + d,
		"short digest":             "example.com/a v1.0.0=" + d[:15],
		"long digest":              "example.com/a v1.0.0=" + d + "0",
		"upper case":               "example.com/a v1.0.0=" + strings.ToUpper(d),
		"empty signatures":         "example.com/a v1.0.0=" + d + ".",
		"empty referrers":          "example.com/a v1.0.0=" + d + "+",
		"referrers first":          "example.com/a v1.0.0=" + d + "+01234567.01234567",
		"long referrers":           "example.com/a v1.0.0=" + d + "+012345678",
		"no digest":                "example.com/a v1.0.0",
		"a tag that cannot be one": "example.com/a v1.0.0+x=" + d,
		"a repository with ..":     "example.com//a v1.0.0=" + d,
		"a control character":      "example.com/a\x1b[2J v1.0.0=" + d,
		"a blob before the tags":   "example.com/a #" + d + " v1.0.0=" + d,
		"only a blob":              "example.com/a #" + d,
		"wrong end":                "end 1 2",
	} {
		_, err := inventory.Parse(strings.NewReader("modferry inventory 1\n" + line + "\nend 1 1\n"))
		if !errors.Is(err, inventory.ErrMalformed) || !strings.Contains(fmt.Sprint(err), "line 2") {
			t.Errorf("%s: %v", name, err)
		}
		if strings.ContainsRune(fmt.Sprint(err), 0x1b) {
			t.Errorf("%s: %q", name, err)
		}
	}
}

// endless is a file that never ends.
type endless struct{ text string }

func (e endless) Read(p []byte) (int, error) {
	n := 0
	for n < len(p) {
		n += copy(p[n:], e.text)
	}
	return n, nil
}

func TestEndlessLinesAreALimit(t *testing.T) {
	r := io.MultiReader(strings.NewReader("modferry inventory 1\n"), endless{"a"})
	if _, err := inventory.Parse(r); !errors.Is(err, artifact.ErrLimit) {
		t.Errorf("%v", err)
	}
}

func FuzzParse(f *testing.F) {
	for _, form := range []inventory.Format{inventory.Text, inventory.JSON} {
		text, _ := write(f, form, content())
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		inv, err := inventory.Parse(strings.NewReader(text))
		if err != nil {
			if !errors.Is(err, inventory.ErrMalformed) {
				t.Errorf("%v", err)
			}
			return
		}
		if strings.HasPrefix(text, "modferry") && inv.Digest() != of(text) {
			t.Error("two spellings of one inventory")
		}
	})
}

func TestSignedInventories(t *testing.T) {
	signer := signtest.Signer(t, 0)
	text, sum := write(t, inventory.Text, content())
	signature, err := signer.SignBlob(t.Context(), []byte(text))
	must(t, err)
	file := filepath.Join(t.TempDir(), "inside.txt")
	must(t, os.WriteFile(file, []byte(text), 0o600))
	if _, err := inventory.ReadFile(file, signer.Verifier()); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("without a signature: %v", err)
	}
	must(t, os.WriteFile(inventory.SignatureFile(file), []byte(signature+"\n"), 0o600))
	if inv, err := inventory.ReadFile(file, signer.Verifier()); err != nil || inv.Digest() != sum {
		t.Errorf("%v", err)
	}
	if _, err := inventory.ReadFile(file, signtest.Signer(t, 1).Verifier()); !errors.Is(err, sign.ErrUntrusted) {
		t.Errorf("another key: %v", err)
	}
	other, _ := write(t, inventory.Text, content()[:2])
	must(t, os.WriteFile(file, []byte(other), 0o600))
	if _, err := inventory.ReadFile(file, signer.Verifier()); !errors.Is(err, sign.ErrUntrusted) {
		t.Errorf("other content: %v", err)
	}
	if inv, err := inventory.ReadFile(file, nil); err != nil || inv.Repositories() != 2 {
		t.Errorf("nobody asks for a signature: %v", err)
	}
}
