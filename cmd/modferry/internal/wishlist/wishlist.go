// Package wishlist keeps files of what was asked for in vain, which mirror reads.
package wishlist

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"strings"
	"time"

	"golang.org/x/mod/module"

	"github.com/modferry/modferry/artifact/userfile"
	"github.com/modferry/modferry/proxyshim"
)

const (
	// interval bounds how much of the wish list a crash can lose. Counts lag behind further: a client may ask in
	// vain all day long, and the file is written as a whole.
	interval   = 2 * time.Second
	countEvery = 30 // intervals
)

const (
	// maxWishes bounds the file, in wishes: it outlives what the shim remembers, and anybody who reaches the shim adds to it.
	maxWishes = 100_000
	// maxSize bounds it in bytes.
	maxSize = 64 << 20
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
// file at the same time: a lock file beside it, .NAME.lock, is held meanwhile. It is not removed.
type List struct {
	file    string                     // empty: no wish list is kept
	written map[request]proxyshim.Miss // what has been added to the file of the misses that the shim remembers
}

// request tells misses apart.
type request struct {
	module module.Version
	query  string
}

// Open finds out early whether a wish list can be read and written. Without a file, none is kept. The error is
// userfile.ErrNotRegular for what can be no file.
func Open(file string) (*List, error) {
	if file == "" {
		return &List{}, nil
	}
	if _, err := read(file); errors.Is(err, userfile.ErrNotRegular) {
		return nil, err
	} else if err != nil {
		return nil, fmt.Errorf("reading the wish list: %w", err)
	}
	if err := userfile.CheckWritable(file); err != nil {
		return nil, fmt.Errorf("the wish list could not be written: %w", err)
	}
	return &List{file: file}, nil
}

// read reads a wish list, which is empty where there is no file.
func read(file string) ([]byte, error) {
	data, err := userfile.Read(file, maxSize)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil
	case errors.Is(err, userfile.ErrTooLarge):
		return nil, fmt.Errorf("%s is larger than %d MiB: is it a wish list?", file, maxSize>>20)
	}
	return data, err
}

// Add adds misses to the file: of those that it has added before, what was counted since.
func (l *List) Add(misses []proxyshim.Miss) error { return l.write(misses, true) }

// write adds the misses that are due: new wishes, and their counts if they are to be written, too. What cannot be
// written is due again. What was written is not, not even if the user has deleted the file meanwhile.
func (l *List) write(misses []proxyshim.Miss, counts bool) error {
	news, fresh := l.news(misses)
	if l.file == "" || len(news) == 0 || !fresh && !counts {
		return nil
	}
	unlock, err := userfile.Lock(l.file)
	if err != nil {
		return err
	}
	defer unlock()
	data, err := read(l.file)
	if err != nil {
		return err
	}
	if text := merge(data, news); !bytes.Equal(text, data) {
		if err := userfile.Replace(l.file, text); err != nil {
			return err
		}
	}
	l.written = make(map[request]proxyshim.Miss, len(misses))
	for _, m := range misses {
		l.written[request{m.Module, m.Query}] = m
	}
	return nil
}

// news is what the file lacks of misses, by wish. It is fresh if there is a miss of which nothing was written yet.
func (l *List) news(misses []proxyshim.Miss) (news map[string]requests, fresh bool) {
	news = make(map[string]requests)
	for _, m := range misses {
		if strings.ContainsAny(m.Query, " #") {
			continue // a revision that no list can hold is none that mirror could get
		}
		n := requests{m.Count, m.First, m.Last}
		before, known := l.written[request{m.Module, m.Query}]
		if known && before.First.Equal(m.First) { // else the shim has forgotten it meanwhile
			if n.count -= before.Count; n.count == 0 {
				continue
			}
			n.first = m.Last // of those since, only the last is known
		}
		fresh = fresh || !known
		news[Wish(m)] = news[Wish(m)].plus(n)
	}
	return news, fresh
}

// Follow writes the wish list whenever misses returns something new, until the returned function is called,
// which writes it a last time; misses is told so.
func (l *List) Follow(misses func(last bool) []proxyshim.Miss, log *slog.Logger) (stop func()) {
	if l.file == "" {
		return func() {}
	}
	f := follower{list: l, log: log}
	quit, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		ticker := time.NewTicker(interval)
		defer ticker.Stop()
		for n := 1; ; n++ {
			select {
			case <-ticker.C:
				f.update(misses(false), n%countEvery == 0)
			case <-quit:
				f.update(misses(true), true)
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

// update writes what is due. That it cannot be written is logged once, for it is tried on and on.
func (f *follower) update(misses []proxyshim.Miss, counts bool) {
	err := f.list.write(misses, counts || f.failing)
	switch {
	case err != nil && !f.failing:
		f.log.Error("writing the wish list fails; what is to be added is kept until the shim stops", "error", err)
	case err == nil && f.failing:
		f.log.Info("the wish list is written again")
	}
	f.failing = err != nil
}
