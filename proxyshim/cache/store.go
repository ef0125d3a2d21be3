package cache

import (
	"encoding/json"
	"errors"
	"os"

	"golang.org/x/mod/module"

	"github.com/modferry/modferry/artifact/goproxy"
)

// put makes v the verdict about its version, whose small files have that content.
// It is served from memory at once and saved soon. A zip that is there already
// stays if it has the right sum.
func (c *Cache) Put(v *Verdict, info, gomod []byte) (*Entry, error) {
	name, err := goproxy.Base(v.Module)
	if err != nil {
		return nil, err
	}
	v.InfoDigest, v.ModDigest = hexDigest(info), hexDigest(gomod)
	e := &Entry{Verdict: *v, file: c.Path(name), unsaved: &small{info, gomod}}
	c.writing.Lock()
	if now := c.Get(v.Module); now != nil && now.Sum == v.Sum {
		e.Zip = now.Zip
	}
	c.remember(e, c.now())
	c.writing.Unlock()
	if !c.saver.take(e) {
		e, err = c.save(v.Module)
		c.saver.failing.Store(err != nil)
	}
	c.tidy(false)
	return e, err
}

// renew makes v the verdict about a version with the same manifest as before. It
// returns nil if there is none such any more.
func (c *Cache) Renew(v *Verdict) *Entry {
	c.writing.Lock()
	defer c.writing.Unlock()
	now := c.Get(v.Module)
	if now == nil || now.Manifest.Digest != v.Manifest.Digest {
		return nil
	}
	v.Info, v.InfoDigest, v.Mod, v.ModDigest, v.Zip = now.Info, now.InfoDigest, now.Mod, now.ModDigest, now.Zip
	e, _ := c.replace(now, v)
	return e
}

// errReplaced means that a version changed while its zip was on the way.
var ErrReplaced = errors.New("the version changed in the store while it was being read")

// addZip returns e with its zip, which it writes unless there is one that passes check. It is
// good for whatever verdict has the sum of e by now, else it is errReplaced.
func (c *Cache) AddZip(e *Entry, check func(name string) error, write func(*os.File) error) (*Entry, error) {
	if now := c.Get(e.Module); now != nil && now.Sum == e.Sum && now.HasZip() {
		return now, nil
	}
	s, err := c.writeZip(e.file+ZipExt, check, write)
	if err != nil {
		return nil, err
	}
	full, err := c.setZip(e, s)
	c.tidy(false)
	return full, err
}

func (c *Cache) writeZip(name string, check func(name string) error, write func(*os.File) error) (stamp, error) {
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
	if err := check(f.Name()); err != nil {
		discard(f)
		return stamp{}, err
	}
	return c.commit(f, name)
}

func (c *Cache) setZip(e *Entry, s stamp) (*Entry, error) {
	c.writing.Lock()
	defer c.writing.Unlock()
	now := c.Get(e.Module)
	if now == nil || now.Sum != e.Sum {
		return nil, ErrReplaced
	}
	v := now.Verdict
	v.Zip = s
	full, _ := c.replace(now, &v)
	return full, nil
}

// withhold records that a version is not to be served until its store confirms it again. Its files stay,
// and need not be fetched again then.
func (c *Cache) Withhold(m module.Version) error {
	c.writing.Lock()
	defer c.writing.Unlock()
	now := c.Get(m)
	if now == nil || now.Withheld {
		return nil
	}
	v := now.Verdict
	v.Withheld = true
	_, err := c.replace(now, &v)
	return err
}

// replace puts v in the place of e's verdict, in memory and, unless e is still to be
// saved, on disk. The error is about the disk only; it may be ignored, because a
// verdict that is out of date only means more questions after a restart. Call it
// with c.writing held.
func (c *Cache) replace(e *Entry, v *Verdict) (*Entry, error) {
	var err error
	now := c.now()
	if e.unsaved == nil {
		err = c.WriteVerdict(e.file+verdictExt, v)
		_ = os.Chtimes(e.file+verdictExt, now, now) // a verdict's time is that of its last use
	}
	return c.remember(&Entry{Verdict: *v, file: e.file, unsaved: e.unsaved}, now), err
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
		return nil, errors.Join(ErrReplaced, c.removeFiles(e.file))
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
	if info, err = c.WriteFile(e.file+InfoExt, e.unsaved.info); err != nil {
		return info, gomod, err
	}
	if gomod, err = c.WriteFile(e.file+ModExt, e.unsaved.gomod); err != nil {
		return info, gomod, err
	}
	if e.ZipLayer == nil {
		err = c.Remove(e.file + ZipExt)
	}
	return info, gomod, err
}

// writeVerdict writes v as JSON. It is not flushed to disk: a torn one does not
// parse, and that only means that the store is asked again.
func (c *Cache) WriteVerdict(name string, v any) error {
	data, err := json.Marshal(v)
	if err != nil {
		return err
	}
	f, err := c.temp()
	if err != nil {
		return err
	}
	if _, err := f.Write(append(data, '\n')); err != nil {
		discard(f)
		return err
	}
	_, err = c.rename(f, name)
	return err
}

// drop removes all that is known and stored of a version, the verdict first.
func (c *Cache) Drop(m module.Version) error {
	c.writing.Lock()
	defer c.writing.Unlock()
	c.mu.Lock()
	delete(c.entries, m)
	c.mu.Unlock()
	name, err := goproxy.Base(m)
	if err != nil {
		return err
	}
	return c.removeFiles(c.Path(name))
}

func (c *Cache) removeFiles(file string) error {
	var errs []error
	for _, ext := range [...]string{verdictExt, ZipExt, InfoExt, ModExt} {
		errs = append(errs, c.Remove(file+ext))
	}
	return errors.Join(errs...)
}

// remove removes a file that may be gone already.
func (c *Cache) Remove(name string) error {
	fi, err := os.Stat(name)
	if err == nil {
		err = os.Remove(name)
	}
	if err == nil {
		c.size.Add(-fi.Size())
	}
	return ignoreGone(err)
}
