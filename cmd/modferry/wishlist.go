package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/mod/module"

	"github.com/modferry/modferry/proxyshim"
)

const (
	// wishInterval bounds how much of the wish list a crash can lose, countInterval how far its counts lag
	// behind: a client may ask in vain all day long, and the file is written as a whole.
	wishInterval  = 2 * time.Second
	countInterval = time.Minute
)

const (
	// maxWishes bounds the file, in lines: it outlives what the shim remembers, and anybody who reaches the shim adds to it.
	maxWishes = 100_000
	// maxWishFile bounds it in bytes, when it is read.
	maxWishFile = 64 << 20
)

// wishlist is a file of lines that mirror reads. Wishes of an earlier run are kept and counted on:
// they are still unfulfilled until the user deletes the file, which may be while it is followed.
//
//	wish    = what [ "  # " count ]
//	what    = module "@" query      somebody named it, and will want all that it needs
//	        | module SP version     something that is mirrored needs exactly that
//	count   = "once, " time | number " times, " time " to " time
//
// Other lines, and other comments, are somebody else's and stay as they are.
type wishlist struct {
	file    string // empty: no wish list is kept
	wishes  map[string]asked
	counted map[missKey]proxyshim.Miss // as it was when it was counted last
	there   bool                       // the file was, when it was read or written last
	unsaved bool                       // there is a wish that the file lacks
	behind  bool                       // there are counts that the file lacks
}

// missKey tells misses apart.
type missKey struct {
	module module.Version
	query  string
}

// openWishlist reads what an earlier run left, and finds out early whether the file can be read.
func openWishlist(file string) (*wishlist, error) {
	w := &wishlist{file: file, wishes: make(map[string]asked)}
	if file == "" {
		return w, nil
	}
	data, err := readWishes(file)
	if errors.Is(err, fs.ErrNotExist) {
		return w, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading the wish list: %w", err)
	}
	w.there = true
	for line := range strings.Lines(string(data)) {
		if line = strings.TrimSpace(line); line == "" {
			continue
		}
		wish, a := parseWish(line)
		w.wishes[wish] = w.wishes[wish].plus(a)
	}
	return w, nil
}

func readWishes(file string) ([]byte, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxWishFile+1))
	if err == nil && len(data) > maxWishFile {
		err = fmt.Errorf("%s is larger than %d MiB: is it a wish list?", file, maxWishFile>>20)
	}
	return data, err
}

// follow writes the wish list whenever misses returns something new, until the returned function is called,
// which writes it a last time.
func (w *wishlist) follow(misses func(last bool) []proxyshim.Miss, log *slog.Logger) (stop func()) {
	if w.file == "" {
		return func() {}
	}
	update := func(counts, last bool) {
		w.count(misses(last))
		if err := w.save(counts); err != nil {
			log.Error("writing the wish list", "error", err)
		}
	}
	quit, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		wishes, counts := time.NewTicker(wishInterval), time.NewTicker(countInterval)
		defer wishes.Stop()
		defer counts.Stop()
		for {
			select {
			case <-wishes.C:
				update(false, false)
			case <-counts.C:
				update(true, false)
			case <-quit:
				update(true, true)
				return
			}
		}
	}()
	return func() { close(quit); <-done }
}

// add merges misses into the file.
func (w *wishlist) add(misses []proxyshim.Miss) error {
	w.count(misses)
	return w.save(true)
}

// count merges misses, all there are at present, into the wishes. What was counted of a miss before is not
// counted again, not even as a wish if the user has deleted the file meanwhile.
func (w *wishlist) count(misses []proxyshim.Miss) {
	if _, err := os.Lstat(w.file); w.there && errors.Is(err, fs.ErrNotExist) {
		clear(w.wishes)
		w.there, w.unsaved, w.behind = false, false, false
	}
	counted := make(map[missKey]proxyshim.Miss, len(misses))
	for _, m := range misses {
		wish := wishFor(m)
		if strings.ContainsAny(m.Query, " #") {
			continue // a revision that no list can hold is none that mirror could get
		}
		old, known := w.wishes[wish]
		if !known && len(w.wishes) >= maxWishes {
			continue
		}
		key := missKey{m.Module, m.Query}
		counted[key] = m
		news := asked{m.Count, m.First, m.Last}
		if before, ok := w.counted[key]; ok && before.First.Equal(m.First) { // else the shim has forgotten it meanwhile
			if news.count -= before.Count; news.count == 0 && !known {
				continue
			}
			if !known {
				news.first = m.Last
			}
		}
		w.unsaved = w.unsaved || !known
		w.behind = w.behind || news.count > 0
		w.wishes[wish] = old.plus(news)
	}
	w.counted = counted
}

// save replaces the file as a whole if it lacks a wish or, when counts are wanted, has old ones.
func (w *wishlist) save(counts bool) error {
	if w.file == "" || !w.unsaved && (!counts || !w.behind) {
		return nil
	}
	var text strings.Builder
	for _, wish := range slices.Sorted(maps.Keys(w.wishes)) {
		text.WriteString(formatWish(wish, w.wishes[wish]) + "\n")
	}
	if err := replaceFile(w.file, []byte(text.String())); err != nil {
		return err
	}
	w.there, w.unsaved, w.behind = true, false, false
	return nil
}

// wishFor is the line of a list for mirror that would have prevented the miss.
func wishFor(m proxyshim.Miss) string {
	switch {
	case m.Module.Version != "" && !m.Named:
		return m.Module.Path + " " + m.Module.Version
	case m.Module.Version != "":
		return m.Module.String()
	case m.Query == "" || m.Query == "list":
		return m.Module.Path + "@latest"
	}
	return m.Module.Path + "@" + m.Query
}

// asked says how often something was asked for, and when first and last. The zero value is what a wish list of
// an older modferry says: nothing.
type asked struct {
	count       int
	first, last time.Time
}

// plus joins what is known of the same wish.
func (a asked) plus(b asked) asked {
	if a.first.IsZero() || !b.first.IsZero() && b.first.Before(a.first) {
		a.first = b.first
	}
	if b.last.After(a.last) {
		a.last = b.last
	}
	a.count += b.count
	return a
}

func formatWish(wish string, a asked) string {
	first, last := a.first.UTC().Format(time.RFC3339), a.last.UTC().Format(time.RFC3339)
	switch {
	case a.count <= 0:
		return wish
	case a.count == 1:
		return wish + "  # once, " + last
	}
	return fmt.Sprintf("%s  # %d times, %s to %s", wish, a.count, first, last)
}

// parseWish returns the wish in a line of the file and what the comment says about it. A line that formatWish
// would not write is a wish without a comment.
func parseWish(line string) (wish string, a asked) {
	wish, comment, ok := strings.Cut(line, "  # ")
	if !ok {
		return line, asked{}
	}
	var first, last string
	if at, once := strings.CutPrefix(comment, "once, "); once {
		a.count, first, last = 1, at, at
	} else if _, err := fmt.Sscanf(comment, "%d times, %s to %s", &a.count, &first, &last); err != nil {
		return line, asked{}
	}
	var err1, err2 error
	a.first, err1 = time.Parse(time.RFC3339, first)
	a.last, err2 = time.Parse(time.RFC3339, last)
	if err1 != nil || err2 != nil || formatWish(wish, a) != line {
		return line, asked{}
	}
	return wish, a
}

// replaceFile writes a file so that a reader, or a crash, sees the old contents or the new, nothing between.
func replaceFile(name string, data []byte) error {
	if target, err := filepath.EvalSymlinks(name); err == nil {
		name = target // a link stays one
	}
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
