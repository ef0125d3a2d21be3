package cache

import (
	"errors"
	"os"

	"golang.org/x/mod/module"

	"github.com/modferry/modferry/artifact/goproxy"
)

const (
	maxUnsaved     = 256      // versions waiting to be saved
	maxUnsavedSize = 64 << 10 // bytes of the small files of one of them
)

// Put makes v the verdict about its version, whose small files have that content. It is served from memory at once and
// saved soon, for flushing files to disk takes longer than all the rest: what is killed before is fetched again. A zip that
// is there already stays if it has the right sum.
func (c *Cache) Put(v *Verdict, info, gomod []byte) (*Entry, error) {
	name, err := goproxy.Base(v.Module)
	if err != nil {
		return nil, err
	}
	v.Format, v.InfoDigest, v.ModDigest = format, hexDigest(info), hexDigest(gomod)
	e := &Entry{Verdict: *v, file: c.Path(name), unsaved: &smallFiles{info, gomod}}
	c.writing.Lock()
	if now := c.Get(v.Module); now != nil && now.Sum == v.Sum {
		e.Zip = now.Zip
	}
	c.remember(e, c.now())
	c.writing.Unlock()
	if !c.enqueue(e) {
		e, err = c.save(v.Module)
		c.failing.Store(err != nil)
	}
	c.tidy(false)
	return e, err
}

// enqueue has e saved in the background. It does not when the queue is full, when e is large, and when saving failed
// last time: then its caller saves it, and learns the error.
func (c *Cache) enqueue(e *Entry) bool {
	if c.failing.Load() || len(e.unsaved.info)+len(e.unsaved.gomod) > maxUnsavedSize {
		return false
	}
	c.unsaved.Add(1)
	select {
	case c.queue <- e.Module:
		return true
	default:
		c.unsaved.Done()
		return false
	}
}

// saveQueued saves what is queued until the cache is closed.
func (c *Cache) saveQueued() {
	for m := range c.queue {
		_, err := c.save(m)
		if errors.Is(err, ErrReplaced) {
			err = nil
		}
		if err != nil {
			c.log.Warn("keeping a version in the cache", "module", m.Path, "version", m.Version, "error", err)
		}
		c.failing.Store(err != nil)
		c.unsaved.Done()
	}
}

// save writes the small files of m and its verdict, if that is still to be done.
func (c *Cache) save(m module.Version) (*Entry, error) {
	e := c.Get(m)
	switch {
	case e == nil: // dropped or evicted meanwhile
		return nil, ErrReplaced
	case e.unsaved == nil:
		return e, nil
	}
	info, gomod, err := c.saveFiles(e)
	c.writing.Lock()
	defer c.writing.Unlock()
	now := c.Get(m)
	switch {
	case now == nil: // dropped meanwhile
		return nil, errors.Join(ErrReplaced, c.removeVersion(e.file))
	case now.unsaved != e.unsaved:
		return now, nil
	}
	saved := &Entry{Verdict: now.Verdict, file: now.file}
	saved.Info, saved.Mod = info, gomod
	if err == nil {
		saved, err = c.replace(saved, &saved.Verdict)
	}
	if err != nil {
		c.Forget(now)
		c.Forget(saved)
		return nil, err
	}
	return saved, nil
}

func (c *Cache) saveFiles(e *Entry) (info, gomod stamp, err error) {
	if info, err = c.writeFile(e.file+infoExt, e.unsaved.info); err != nil {
		return info, gomod, err
	}
	if gomod, err = c.writeFile(e.file+modExt, e.unsaved.gomod); err != nil {
		return info, gomod, err
	}
	if e.ZipLayer == nil {
		err = c.Remove(e.file + zipExt)
	}
	return info, gomod, err
}

// change puts in the place of m's verdict, if there is one that suits, what edit makes of it. Else it returns nil. The
// error is about the disk only; it may be ignored, because a verdict that is out of date only means more questions after
// a restart.
func (c *Cache) change(m module.Version, suits func(*Entry) bool, edit func(*Verdict)) (*Entry, error) {
	c.writing.Lock()
	defer c.writing.Unlock()
	now := c.Get(m)
	if now == nil || !suits(now) {
		return nil, nil
	}
	v := now.Verdict
	edit(&v)
	return c.replace(now, &v)
}

// replace puts v in the place of e's verdict, in memory and, unless e is still to be saved, on disk. Call it with
// c.writing held.
func (c *Cache) replace(e *Entry, v *Verdict) (*Entry, error) {
	var err error
	now := c.now()
	if e.unsaved == nil {
		err = c.WriteJSON(e.file+verdictExt, v)
		_ = os.Chtimes(e.file+verdictExt, now, now) // a verdict's time is that of its last use
	}
	return c.remember(&Entry{Verdict: *v, file: e.file, unsaved: e.unsaved}, now), err
}

// Renew makes v the verdict about a version with the same manifest as before. It returns nil if there is none such any
// more.
func (c *Cache) Renew(v *Verdict) *Entry {
	v.Format = format
	e, _ := c.change(v.Module,
		func(now *Entry) bool { return now.Manifest.Digest == v.Manifest.Digest },
		func(now *Verdict) { v.files = now.files; *now = *v })
	return e
}

// Withhold records that a version is not to be served until its store confirms it again. Its files stay, and need not
// be fetched again then.
func (c *Cache) Withhold(m module.Version) error {
	_, err := c.change(m, func(now *Entry) bool { return !now.Withheld }, func(v *Verdict) { v.Withheld = true })
	return err
}

// AddZip returns e with its zip, which write writes unless there is one already that passes check, as any has to. It is
// good for whatever verdict has the sum of e by now, else it is [ErrReplaced].
func (c *Cache) AddZip(e *Entry, check func(file string) error, write func(*os.File) error) (*Entry, error) {
	same := func(now *Entry) bool { return now.Sum == e.Sum }
	if now := c.Get(e.Module); now != nil && same(now) && now.HasZip() {
		return now, nil
	}
	zip, err := c.writeZip(e.file+zipExt, check, write)
	if err != nil {
		return nil, err
	}
	full, _ := c.change(e.Module, same, func(v *Verdict) { v.Zip = zip })
	c.tidy(false)
	if full == nil {
		return nil, ErrReplaced
	}
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
	if err = write(f); err == nil {
		err = check(f.Name())
	}
	if err != nil {
		discard(f)
		return stamp{}, err
	}
	return c.commit(f, name, true)
}

// Drop removes all that is known and stored of a version.
func (c *Cache) Drop(m module.Version) error {
	name, err := goproxy.Base(m)
	if err != nil {
		return err
	}
	c.writing.Lock()
	defer c.writing.Unlock()
	c.mu.Lock()
	delete(c.entries, m)
	c.mu.Unlock()
	return c.removeVersion(c.Path(name))
}

// removeVersion removes the files of a version, the verdict first.
func (c *Cache) removeVersion(file string) error {
	var errs []error
	for _, ext := range [...]string{verdictExt, zipExt, infoExt, modExt} {
		errs = append(errs, c.Remove(file+ext))
	}
	return errors.Join(errs...)
}
