package main

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/modferry/modferry/proxyshim"
)

// wishInterval bounds how much of the wish list a crash can lose.
const wishInterval = 2 * time.Second

// maxWishes bounds the file, in lines: it outlives what the shim remembers, and anybody who reaches the shim adds to it.
const maxWishes = 100_000

// wishlist is a file of module@version lines that mirror reads. Wishes of an earlier run are kept: they are
// still unfulfilled until the user deletes the file.
type wishlist struct {
	file  string // empty: no wish list is kept
	lines []string
}

// openWishlist reads what an earlier run left, and finds out early whether the file can be read.
func openWishlist(file string) (*wishlist, error) {
	w := &wishlist{file: file}
	if file == "" {
		return w, nil
	}
	data, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return w, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading the wish list: %w", err)
	}
	for line := range strings.Lines(string(data)) {
		if line = strings.TrimSpace(line); line != "" {
			w.lines = append(w.lines, line)
		}
	}
	slices.Sort(w.lines)
	w.lines = slices.Compact(w.lines)
	return w, nil
}

// follow writes the wish list whenever misses returns something new, until the returned function is called,
// which writes it a last time.
func (w *wishlist) follow(misses func() []proxyshim.Miss, log *slog.Logger) (stop func()) {
	if w.file == "" {
		return func() {}
	}
	update := func() {
		if err := w.add(misses()); err != nil {
			log.Error("writing the wish list", "error", err)
		}
	}
	quit, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		tick := time.NewTicker(wishInterval)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				update()
			case <-quit:
				update()
				return
			}
		}
	}()
	return func() { close(quit); <-done }
}

// add merges misses into the file, which is replaced as a whole and only when there is something new.
func (w *wishlist) add(misses []proxyshim.Miss) error {
	lines := slices.Clone(w.lines)
	for _, m := range misses {
		line := wish(m)
		if _, known := slices.BinarySearch(w.lines, line); known || strings.ContainsAny(line, " #") {
			continue // a revision that no list can hold is none that mirror could get
		}
		if len(lines) >= maxWishes {
			break
		}
		lines = append(lines, line)
	}
	slices.Sort(lines)
	lines = slices.Compact(lines)
	if len(lines) == len(w.lines) {
		return nil
	}
	if err := replaceFile(w.file, []byte(strings.Join(lines, "\n")+"\n")); err != nil {
		return err
	}
	w.lines = lines
	return nil
}

// wish is the argument of mirror that would have prevented the miss.
func wish(m proxyshim.Miss) string {
	switch {
	case m.Module.Version != "":
		return m.Module.String()
	case m.Query == "" || m.Query == "list":
		return m.Module.Path + "@latest"
	}
	return m.Module.Path + "@" + m.Query
}

// replaceFile writes a file so that a reader, or a crash, sees the old contents or the new, nothing between.
func replaceFile(name string, data []byte) error {
	f, err := os.CreateTemp(filepath.Dir(name), "."+filepath.Base(name)+".*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // fails, as it should, after the rename
	_, err = f.Write(data)
	if err = errors.Join(err, f.Chmod(0o644), f.Sync(), f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), name)
}
