package cache

import (
	"errors"
	"os"

	"golang.org/x/mod/module"

	"github.com/modferry/modferry/artifact/goproxy"
)

// Put makes v the verdict about its version, whose small files have that content. It counts at once and is written
// behind the answer; the error is that of the disk, if it has been failing. A zip that is there already stays if it has
// the right sum.
func (c *Cache) Put(v *Verdict, info, gomod []byte) (*Entry, error) {
	name, err := goproxy.Base(v.Module)
	if err != nil {
		return nil, err
	}
	v.Format, v.InfoDigest, v.ModDigest = format, hexDigest(info), hexDigest(gomod)
	e := &Entry{Verdict: *v, file: c.Path(name), unsaved: unsaved{verdict: true, small: &small{info, gomod}}}
	c.mu.Lock()
	if now := c.entries[v.Module]; now != nil && now.Sum == v.Sum {
		e.Zip, e.unsaved.zip = now.Zip, now.unsaved.zip
	}
	c.remember(e, c.now())
	c.mu.Unlock()
	return e, c.save(v.Module, len(info)+len(gomod) > maxWaiting)
}

// change puts in the place of m's entry, if there is one that suits, what edit makes of it. Else it returns nil.
func (c *Cache) change(m module.Version, suits func(*Entry) bool, edit func(*Entry)) *Entry {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.entries[m]
	if now == nil || !suits(now) {
		return nil
	}
	e := &Entry{Verdict: now.Verdict, file: now.file, unsaved: now.unsaved}
	e.unsaved.verdict = true
	edit(e)
	return c.remember(e, c.now())
}

// Renew makes v the verdict about a version with the same manifest as before. It returns nil if there is none such any
// more.
func (c *Cache) Renew(v *Verdict) *Entry {
	v.Format = format
	e := c.change(v.Module,
		func(now *Entry) bool { return now.Manifest.Digest == v.Manifest.Digest },
		func(e *Entry) { v.files = e.files; e.Verdict = *v })
	if e != nil {
		_ = c.save(v.Module, false) // one that is out of date only means more questions after a restart
	}
	return e
}

// Withhold records that a version is not to be served until its store confirms it again. Its files stay, and need not
// be fetched again then.
func (c *Cache) Withhold(m module.Version) error {
	if c.change(m, func(now *Entry) bool { return !now.Withheld }, func(e *Entry) { e.Withheld = true }) == nil {
		return nil
	}
	return c.save(m, true)
}

// AddZip returns e with its zip, which write writes and checks unless there is one already that passes check. It is good
// for whatever verdict has the sum of e by now, else it is [ErrReplaced].
func (c *Cache) AddZip(e *Entry, check func(file string) error, write func(*os.File) error) (*Entry, error) {
	same := func(now *Entry) bool { return now.Sum == e.Sum }
	if now := c.Get(e.Module); now != nil && same(now) && now.HasZip() {
		return now, nil
	}
	zip, err := c.writeZip(e.file+zipExt, check, write)
	if err != nil {
		return nil, err
	}
	full := c.change(e.Module, same, func(e *Entry) { e.Zip, e.unsaved.zip = zip, true })
	if full == nil {
		return nil, ErrReplaced
	}
	_ = c.save(e.Module, false) // without a verdict it is checked again after a restart
	return full, nil
}

func (c *Cache) writeZip(name string, check func(file string) error, write func(*os.File) error) (stamp, error) {
	if fi, err := os.Stat(name); err == nil && check(name) == nil {
		return stampOf(fi), nil
	}
	f, err := c.temp()
	if err != nil {
		return stamp{}, err
	}
	if err := write(f); err != nil {
		discard(f)
		return stamp{}, err
	}
	return c.commit(f, name, false)
}

// Drop removes all that is known and stored of a version.
func (c *Cache) Drop(m module.Version) error {
	name, err := goproxy.Base(m)
	if err != nil {
		return err
	}
	c.mu.Lock()
	delete(c.entries, m)
	c.dropping[m]++
	c.mu.Unlock()
	if err := c.writer.add(func() error { return c.removeVersion(c.Path(name)) }, true); err != nil {
		return err // what may be there still does not count for as long as the process lives
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.dropping[m]--; c.dropping[m] == 0 {
		delete(c.dropping, m)
	}
	return nil
}

// removeVersion removes the files of a version, the verdict first.
func (c *Cache) removeVersion(file string) error {
	var errs []error
	for _, ext := range [...]string{verdictExt, zipExt, infoExt, modExt} {
		errs = append(errs, c.Remove(file+ext))
	}
	return errors.Join(errs...)
}
