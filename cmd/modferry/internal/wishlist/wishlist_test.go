package wishlist

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/module"

	"github.com/modferry/modferry/proxyshim"
)

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func miss(path, version, query string) proxyshim.Miss {
	return proxyshim.Miss{Module: module.Version{Path: path, Version: version}, Query: query, Named: version != ""}
}

func TestWishlistKeepsOldWishesAndAddsNewOnes(t *testing.T) {
	file := filepath.Join(t.TempDir(), "wishes.txt")
	must(t, os.WriteFile(file, []byte("example.com/old@v1.0.0\n"), 0o600))
	w, err := Open(file)
	must(t, err)
	misses := []proxyshim.Miss{
		miss("example.com/a", "v1.0.0", ""), miss("example.com/b", "", "latest"), miss("example.com/b", "", "list"),
		miss("example.com/c", "", "0123456789ab"), miss("example.com/old", "v1.0.0", ""),
	}
	stop := w.Follow(func(bool) []proxyshim.Miss { return misses }, slog.New(slog.DiscardHandler))
	stop()
	got, err := os.ReadFile(file)
	must(t, err)
	want := "example.com/old@v1.0.0\nexample.com/a@v1.0.0\nexample.com/b@latest\nexample.com/c@0123456789ab\n"
	if string(got) != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestWishlistWritesOnlyWhatIsNew(t *testing.T) {
	file := filepath.Join(t.TempDir(), "wishes.txt")
	w, err := Open(file)
	must(t, err)
	must(t, w.Add(nil))
	if _, err := os.Stat(file); !os.IsNotExist(err) {
		t.Errorf("an empty wish list was written: %v", err)
	}
	must(t, w.Add([]proxyshim.Miss{miss("example.com/a", "v1.0.0", "")}))
	must(t, os.Remove(file))
	must(t, w.Add([]proxyshim.Miss{miss("example.com/a", "v1.0.0", "")}))
	if _, err := os.Stat(file); !os.IsNotExist(err) {
		t.Errorf("the same wishes were written again: %v", err)
	}
}

func TestDeletedWishlistHoldsOnlyWhatIsAskedForAfterwards(t *testing.T) {
	file := filepath.Join(t.TempDir(), "wishes.txt")
	must(t, os.WriteFile(file, []byte("example.com/old v1.0.0\n"), 0o600))
	w, err := Open(file)
	must(t, err)
	a, b := miss("example.com/a", "v1.0.0", ""), miss("example.com/b", "v1.0.0", "")
	must(t, w.Add([]proxyshim.Miss{times(a, 1, 0, 0), times(b, 1, 0, 0)}))
	must(t, os.Remove(file))
	must(t, w.Add([]proxyshim.Miss{times(a, 1, 0, 0), times(b, 2, 0, 5)}))
	if got, err := os.ReadFile(file); err != nil || string(got) != "example.com/b@v1.0.0  # once, 2026-11-20T12:05:00Z\n" {
		t.Errorf("got %q, %v", got, err)
	}
}

func TestWishlistHoldsNothingMirrorCannotReadAndNotTooMuch(t *testing.T) {
	file := filepath.Join(t.TempDir(), "wishes.txt")
	w, err := Open(file)
	must(t, err)
	must(t, w.Add([]proxyshim.Miss{miss("example.com/a", "", "a b"), miss("example.com/a", "", "x#y"), miss("example.com/a", "", "main")}))
	if got, err := os.ReadFile(file); err != nil || string(got) != "example.com/a@main\n" {
		t.Errorf("got %q, %v", got, err)
	}
	for i := 0; i <= maxWishes; i += 10_000 {
		var misses []proxyshim.Miss
		for j := range 10_000 {
			misses = append(misses, miss("example.com/a", "", fmt.Sprint("r", i+j)))
		}
		must(t, w.Add(misses))
	}
	if got, err := os.ReadFile(file); err != nil || strings.Count(string(got), "\n") != maxWishes {
		t.Errorf("%d wishes, want %d; %v", strings.Count(string(got), "\n"), maxWishes, err)
	}
}

// times is a miss that was asked for n times, from one minute past noon to another.
func times(m proxyshim.Miss, n, first, last int) proxyshim.Miss {
	noon := time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
	m.Count, m.First, m.Last = n, noon.Add(time.Duration(first)*time.Minute), noon.Add(time.Duration(last)*time.Minute)
	return m
}

func TestWishlistCountsAcrossRunsAndLeavesTheRestAsItIs(t *testing.T) {
	file := filepath.Join(t.TempDir(), "wishes.txt")
	must(t, os.WriteFile(file, []byte(`# for the team of Ada

example.com/c@v1.0.0  # 3 times, 2026-11-19T08:15:00Z to 2026-11-19T12:00:00Z
example.com/b@v1.0.0  # once, 2026-11-19T12:00:00Z
example.com/a@v1.0.0
  # twice, by two people
example.com/c@v1.0.0  # once, 2026-11-18T08:15:00Z
example.com/d@v1.0.0  # before Friday
example.com/e v1.0.0 mod-only
example.com/g@latest`), 0o600))
	w, err := Open(file)
	must(t, err)
	must(t, w.Add([]proxyshim.Miss{
		times(miss("example.com/a", "v1.0.0", ""), 1, 0, 0), times(miss("example.com/b", "v1.0.0", ""), 2, 1, 2),
		times(miss("example.com/c", "v1.0.0", ""), 1, 3, 3), times(miss("example.com/f", "", "latest"), 2, 4, 5),
		times(miss("example.com/f", "", "list"), 1, 3, 3), times(miss("example.com/d", "v1.0.0", ""), 1, 3, 3),
		times(miss("example.com/e", "v1.0.0", ""), 1, 3, 3),
	}))
	want := `# for the team of Ada

example.com/c@v1.0.0  # 4 times, 2026-11-19T08:15:00Z to 2026-11-20T12:03:00Z
example.com/b@v1.0.0  # 3 times, 2026-11-19T12:00:00Z to 2026-11-20T12:02:00Z
example.com/a@v1.0.0  # once, 2026-11-20T12:00:00Z
  # twice, by two people
example.com/c@v1.0.0  # once, 2026-11-18T08:15:00Z
example.com/d@v1.0.0  # before Friday
example.com/e v1.0.0 mod-only
example.com/g@latest
example.com/e@v1.0.0  # once, 2026-11-20T12:03:00Z
example.com/f@latest  # 3 times, 2026-11-20T12:03:00Z to 2026-11-20T12:05:00Z
`
	if got, err := os.ReadFile(file); err != nil || string(got) != want {
		t.Errorf("got\n%s\nwant\n%s\n%v", got, want, err)
	}
}

func TestWishlistCountsEachRequestOnce(t *testing.T) {
	file := filepath.Join(t.TempDir(), "wishes.txt")
	w, err := Open(file)
	must(t, err)
	a, b := miss("example.com/a", "v1.0.0", ""), miss("example.com/b", "v1.0.0", "")
	for _, misses := range [][]proxyshim.Miss{
		{times(a, 2, 0, 1), times(b, 1, 0, 0)},
		{times(a, 2, 0, 1), times(b, 1, 0, 0)}, // nothing new
		{times(a, 5, 0, 4)},                    // the shim has forgotten b
		{times(a, 5, 0, 4), times(b, 1, 5, 5)}, // and b was asked for again
	} {
		must(t, w.Add(misses))
	}
	want := `example.com/a@v1.0.0  # 5 times, 2026-11-20T12:00:00Z to 2026-11-20T12:04:00Z
example.com/b@v1.0.0  # 2 times, 2026-11-20T12:00:00Z to 2026-11-20T12:05:00Z
`
	if got, err := os.ReadFile(file); err != nil || string(got) != want {
		t.Errorf("got\n%s\nwant\n%s\n%v", got, want, err)
	}
}

func TestWishlistDoesNotWriteTheWholeFileForEveryRequest(t *testing.T) {
	file := filepath.Join(t.TempDir(), "wishes.txt")
	w, err := Open(file)
	must(t, err)
	a := miss("example.com/a", "v1.0.0", "")
	must(t, w.Add([]proxyshim.Miss{times(a, 1, 0, 0)}))
	before, err := os.ReadFile(file)
	must(t, err)
	must(t, w.write([]proxyshim.Miss{times(a, 2, 0, 1)}, false))
	if now, err := os.ReadFile(file); err != nil || string(now) != string(before) {
		t.Errorf("written for a count: %v", err)
	}
	must(t, w.Add([]proxyshim.Miss{times(a, 2, 0, 1)}))
	if now, err := os.ReadFile(file); err != nil || string(now) == string(before) {
		t.Errorf("the count was lost: %v", err)
	}
}

func TestWishlistThatIsNoneIsNotRead(t *testing.T) {
	file := filepath.Join(t.TempDir(), "wishes.txt")
	must(t, os.WriteFile(file, nil, 0o600))
	must(t, os.Truncate(file, maxSize+1))
	if _, err := Open(file); err == nil || !strings.Contains(err.Error(), "is it a wish list?") {
		t.Errorf("got %v", err)
	}
}

func FuzzParse(f *testing.F) {
	for _, line := range []string{
		"example.com/a@v1.0.0", "example.com/a@v1.0.0  # once, 2026-11-19T12:00:00Z", "# note", "  # once, ",
		"example.com/a@v1.0.0  # 3 times, 2026-11-19T08:15:00Z to 2026-11-19T12:00:00Z", "a  # -1 times, x to y",
	} {
		f.Add(line)
	}
	f.Fuzz(func(t *testing.T, line string) {
		if wish, n, ours := parse(line); ours && format(wish, n) != line {
			t.Errorf("%q became %q", line, format(wish, n))
		}
		if strings.Contains(line, "\n") {
			return
		}
		if text := merge([]byte(line+"\n"), map[string]requests{"example.com/new@v1.0.0": {}}); !strings.HasPrefix(string(text), line+"\n") {
			t.Errorf("%q became %q", line, text)
		}
	})
}

func TestWishlistTellsWhatWasNamedFromWhatIsNeeded(t *testing.T) {
	named := miss("example.com/a", "v1.0.0", "")
	needed := named
	needed.Named = false
	for m, want := range map[proxyshim.Miss]string{
		named:                                "example.com/a@v1.0.0",
		needed:                               "example.com/a v1.0.0",
		miss("example.com/a", "", "list"):    "example.com/a@latest",
		miss("example.com/a", "", "feature"): "example.com/a@feature",
	} {
		if got := Wish(m); got != want {
			t.Errorf("%+v: got %q, want %q", m, got, want)
		}
	}
}
