package main

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/mod/module"

	"github.com/modferry/modferry/proxyshim"
)

func miss(path, version, query string) proxyshim.Miss {
	return proxyshim.Miss{Module: module.Version{Path: path, Version: version}, Query: query}
}

func TestWishlistKeepsOldWishesAndAddsNewOnes(t *testing.T) {
	file := filepath.Join(t.TempDir(), "wishes.txt")
	must(t, os.WriteFile(file, []byte("example.com/old@v1.0.0\n"), 0o600))
	w, err := openWishlist(file)
	must(t, err)
	misses := []proxyshim.Miss{
		miss("example.com/a", "v1.0.0", ""), miss("example.com/b", "", "latest"), miss("example.com/b", "", "list"),
		miss("example.com/c", "", "0123456789ab"), miss("example.com/old", "v1.0.0", ""),
	}
	stop := w.follow(func() []proxyshim.Miss { return misses }, slog.New(slog.DiscardHandler))
	stop()
	got, err := os.ReadFile(file)
	must(t, err)
	want := "example.com/a@v1.0.0\nexample.com/b@latest\nexample.com/c@0123456789ab\nexample.com/old@v1.0.0\n"
	if string(got) != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestWishlistWritesOnlyWhatIsNew(t *testing.T) {
	file := filepath.Join(t.TempDir(), "wishes.txt")
	w, err := openWishlist(file)
	must(t, err)
	must(t, w.add(nil))
	if _, err := os.Stat(file); !os.IsNotExist(err) {
		t.Errorf("an empty wish list was written: %v", err)
	}
	must(t, w.add([]proxyshim.Miss{miss("example.com/a", "v1.0.0", "")}))
	must(t, os.Remove(file))
	must(t, w.add([]proxyshim.Miss{miss("example.com/a", "v1.0.0", "")}))
	if _, err := os.Stat(file); !os.IsNotExist(err) {
		t.Errorf("the same wishes were written again: %v", err)
	}
}

func TestWishlistThatCannotBeWrittenIsAnErrorAndLeavesNothing(t *testing.T) {
	dir := t.TempDir()
	w, err := openWishlist(filepath.Join(dir, "missing", "wishes.txt"))
	must(t, err)
	if err := w.add([]proxyshim.Miss{miss("example.com/a", "v1.0.0", "")}); err == nil {
		t.Error("no error for a directory that does not exist")
	}
	if _, err := openWishlist(dir); err == nil {
		t.Error("no error for a directory")
	}
}

func TestWishlistHoldsNothingMirrorCannotReadAndNotTooMuch(t *testing.T) {
	file := filepath.Join(t.TempDir(), "wishes.txt")
	w, err := openWishlist(file)
	must(t, err)
	must(t, w.add([]proxyshim.Miss{miss("example.com/a", "", "a b"), miss("example.com/a", "", "x#y"), miss("example.com/a", "", "main")}))
	if got, err := os.ReadFile(file); err != nil || string(got) != "example.com/a@main\n" {
		t.Errorf("got %q, %v", got, err)
	}
	for i := 0; i <= maxWishes; i += 10_000 {
		var misses []proxyshim.Miss
		for j := range 10_000 {
			misses = append(misses, miss("example.com/a", "", fmt.Sprint("r", i+j)))
		}
		must(t, w.add(misses))
	}
	if len(w.lines) != maxWishes {
		t.Errorf("%d wishes, want %d", len(w.lines), maxWishes)
	}
}
