package cache

import (
	"errors"
	"os"

	"golang.org/x/mod/module"

	"github.com/modferry/modferry/artifact/goproxy"
)

// Put makes v the verdict about its version, whose small files have that content. A zip that is there already stays if it
// has the right sum.
func (c *Cache) Put(v *Verdict, info, gomod []byte) (*Entry, error) {
	name, err := goproxy.Base(v.Module)
	if err != nil {
		return nil, err
	}
	file := c.Path(name)
	if v.Info, err = c.writeFile(file+infoExt, info, false); err != nil {
		return nil, err
	}
	if v.Mod, err = c.writeFile(file+modExt, gomod, false); err != nil {
		return nil, err
	}
	v.Format, v.InfoDigest, v.ModDigest = format, hexDigest(info), hexDigest(gomod)
	if v.ZipLayer == nil {
		if err := c.Remove(file + zipExt); err != nil {
			return nil, err
		}
	}
	e, err := c.putVerdict(file, v)
	if err != nil {
		c.Forget(e)
		return nil, err
	}
	c.tidy(false)
	return e, nil
}

func (c *Cache) putVerdict(file string, v *Verdict) (*Entry, error) {
	c.writing.Lock()
	defer c.writing.Unlock()
	if now := c.Get(v.Module); now != nil && now.Sum == v.Sum {
		v.Zip = now.Zip
	}
	return c.replace(file, v)
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
	return c.replace(now.file, &v)
}

// replace makes v the verdict about the version with these files, in memory and on disk. Call it with c.writing held.
func (c *Cache) replace(file string, v *Verdict) (*Entry, error) {
	now := c.now()
	err := c.WriteJSON(file+verdictExt, v)
	_ = os.Chtimes(file+verdictExt, now, now) // a verdict's time is that of its last use
	return c.remember(&Entry{Verdict: *v, file: file}, now), err
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
