package wishlist

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"slices"
	"strings"
	"time"

	"golang.org/x/mod/module"

	"github.com/modferry/modferry/cmd/modferry/internal/userfile"
	"github.com/modferry/modferry/proxyshim"
)

const (
	// wishInterval bounds how much of the wish list a crash can lose, countInterval how far its counts lag
	// behind: a client may ask in vain all day long, and the file is written as a whole.
	wishInterval  = 2 * time.Second
	countInterval = time.Minute
)

const (
	// maxWishes bounds the file, in wishes: it outlives what the shim remembers, and anybody who reaches the shim adds to it.
	maxWishes = 100_000
	// maxWishFile bounds it in bytes, when it is read.
	maxWishFile = 64 << 20
	// maxNamed bounds how many of the wishes that are lost in the end the log names.
	maxNamed = 20
)

// List adds to a file of lines that mirror reads. Wishes of an earlier run are kept and counted on:
// they are still unfulfilled until the user deletes the file, which may be while it is followed.
//
//	line    = [ wish ] [ comment ]
//	wish    = module "@" query      somebody named it, and will want all that it needs
//	        | module SP version     something that is mirrored needs exactly that
//	comment = "  # " count
//	        | "#" anything
//	count   = "once, " time | number " times, " time " to " time
//
// A wish that is in the file gets its count there, unless somebody else's comment is in its place; others are added
// at the end. All other lines, and the order of all of them, stay as they are. Several processes may add to a
// file at the same time: in memory is only what the file lacks, and a lock file beside it, .NAME.lock, is held while
// that is added. It is not removed.
type List struct {
	file    string                     // empty: no wish list is kept
	known   map[string]bool            // the wishes of the file, as it was read or written last
	news    map[string]asked           // what is to be added to it
	fresh   int                        // how many of the news are wishes that are not known
	counted map[missKey]proxyshim.Miss // as it was when it was counted last
	there   bool                       // the file was, when it was read or written last
}

// missKey tells misses apart.
type missKey struct {
	module module.Version
	query  string
}

// Open reads what an earlier run left, and finds out early whether the file can be read and written.
func Open(file string) (*List, error) {
	w := &List{file: file, news: make(map[string]asked)}
	if file == "" {
		return w, nil
	}
	data, err := readWishes(file)
	switch {
	case errors.Is(err, userfile.ErrNotRegular):
		return nil, err
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return nil, fmt.Errorf("reading the wish list: %w", err)
	default:
		w.there = true
	}
	if err := userfile.CheckWritable(file); err != nil {
		return nil, fmt.Errorf("the wish list could not be written: %w", err)
	}
	_, w.known = mergeWishes(data, nil)
	return w, nil
}

// Follow writes the wish list whenever misses returns something new, until the returned function is called,
// which writes it a last time; misses is told so.
func (w *List) Follow(misses func(last bool) []proxyshim.Miss, log *slog.Logger) (stop func()) {
	if w.file == "" {
		return func() {}
	}
	f := follower{list: w, log: log}
	quit, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		wishes, counts := time.NewTicker(wishInterval), time.NewTicker(countInterval)
		defer wishes.Stop()
		defer counts.Stop()
		for {
			select {
			case <-wishes.C:
				f.update(misses(false), false)
			case <-counts.C:
				f.update(misses(false), true)
			case <-quit:
				f.end(misses(true))
				return
			}
		}
	}()
	return func() { close(quit); <-done }
}

// follower writes a wish list again and again.
type follower struct {
	list    *List
	log     *slog.Logger
	failing bool
}

// update writes what is due. That it cannot be written is said once, for it is tried on and on.
func (f *follower) update(misses []proxyshim.Miss, counts bool) {
	failed := f.failing
	if err := f.write(misses, counts); err != nil && !failed {
		f.log.Error("writing the wish list fails; what is to be added is kept", "error", err)
	}
}

// end writes all there is. What cannot be written now is lost, unless somebody reads the log.
func (f *follower) end(misses []proxyshim.Miss) {
	err := f.write(misses, true)
	if err == nil {
		return
	}
	lost := f.list.unwritten()
	if len(lost) == 0 {
		f.log.Error("writing the wish list failed; the latest counts are lost", "error", err)
		return
	}
	named := strings.Join(lost[:min(len(lost), maxNamed)], ", ")
	f.log.Error("writing the wish list failed; wishes are lost", "error", err, "number", len(lost), "wishes", named)
}

func (f *follower) write(misses []proxyshim.Miss, counts bool) error {
	f.list.count(misses)
	if !f.list.due(counts) {
		return nil
	}
	err := f.list.save()
	if err == nil && f.failing {
		f.log.Info("the wish list is written again")
	}
	f.failing = err != nil
	return err
}

// Add merges misses into the file.
func (w *List) Add(misses []proxyshim.Miss) error {
	w.count(misses)
	if !w.due(true) {
		return nil
	}
	return w.save()
}

// count merges misses, all there are at present, into the news. What was counted of a miss before is not
// counted again, not even as a wish if the user has deleted the file meanwhile.
func (w *List) count(misses []proxyshim.Miss) {
	if _, err := os.Lstat(w.file); w.there && errors.Is(err, fs.ErrNotExist) {
		clear(w.known)
		clear(w.news)
		w.there, w.fresh = false, 0
	}
	counted := make(map[missKey]proxyshim.Miss, len(misses))
	for _, m := range misses {
		wish := Wish(m)
		if strings.ContainsAny(m.Query, " #") {
			continue // a revision that no list can hold is none that mirror could get
		}
		_, pending := w.news[wish]
		isNew := !pending && !w.known[wish]
		if isNew && len(w.known)+w.fresh >= maxWishes {
			continue
		}
		key := missKey{m.Module, m.Query}
		counted[key] = m
		news := asked{m.Count, m.First, m.Last}
		if before, ok := w.counted[key]; ok && before.First.Equal(m.First) { // else the shim has forgotten it meanwhile
			if news.count -= before.Count; news.count == 0 {
				continue
			}
			if isNew {
				news.first = m.Last
			}
		}
		if isNew {
			w.fresh++
		}
		w.news[wish] = w.news[wish].plus(news)
	}
	w.counted = counted
}

// due reports whether the file lacks a wish or, when counts are wanted, has old ones.
func (w *List) due(counts bool) bool {
	return w.file != "" && (w.fresh > 0 || counts && len(w.news) > 0)
}

// unwritten returns the wishes that the file lacks.
func (w *List) unwritten() []string {
	var wishes []string
	for wish := range w.news {
		if !w.known[wish] {
			wishes = append(wishes, wish)
		}
	}
	slices.Sort(wishes)
	return wishes
}

// save adds the news to the file as it is now.
func (w *List) save() error {
	unlock, err := userfile.Lock(w.file)
	if err != nil {
		return err
	}
	defer unlock()
	data, err := readWishes(w.file)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	text, known := mergeWishes(data, w.news)
	if !bytes.Equal(text, data) {
		if err := userfile.Replace(w.file, text); err != nil {
			return err
		}
	}
	clear(w.news)
	w.known, w.there, w.fresh = known, true, 0
	return nil
}

// Wish is the line of a list for mirror that would have prevented the miss.
func Wish(m proxyshim.Miss) string {
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
