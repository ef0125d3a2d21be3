package proxyshim

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
func (c *cache) put(v *verdict, info, gomod []byte) (*entry, error) {
	name, err := goproxy.Base(v.Module)
	if err != nil {
		return nil, err
	}
	v.InfoDigest, v.ModDigest = hexDigest(info), hexDigest(gomod)
	e := &entry{verdict: *v, file: c.path(name), unsaved: &small{info, gomod}}
	c.writing.Lock()
	if now := c.get(v.Module); now != nil && now.Sum == v.Sum {
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
func (c *cache) renew(v *verdict) *entry {
	c.writing.Lock()
	defer c.writing.Unlock()
	now := c.get(v.Module)
	if now == nil || now.Manifest.Digest != v.Manifest.Digest {
		return nil
	}
	v.Info, v.InfoDigest, v.Mod, v.ModDigest, v.Zip = now.Info, now.InfoDigest, now.Mod, now.ModDigest, now.Zip
	e, _ := c.replace(now, v)
	return e
}

// errReplaced means that a version changed while its zip was on the way.
var errReplaced = errors.New("the version changed in the store while it was being read")

// addZip returns e with its zip, which it writes unless there is one that passes check. It is
// good for whatever verdict has the sum of e by now, else it is errReplaced.
func (c *cache) addZip(e *entry, check func(name string) error, write func(*os.File) error) (*entry, error) {
	if now := c.get(e.Module); now != nil && now.Sum == e.Sum && now.hasZip() {
		return now, nil
	}
	s, err := c.writeZip(e.file+zipExt, check, write)
	if err != nil {
		return nil, err
	}
	full, err := c.setZip(e, s)
	c.tidy(false)
	return full, err
}

func (c *cache) writeZip(name string, check func(name string) error, write func(*os.File) error) (stamp, error) {
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

func (c *cache) setZip(e *entry, s stamp) (*entry, error) {
	c.writing.Lock()
	defer c.writing.Unlock()
	now := c.get(e.Module)
	if now == nil || now.Sum != e.Sum {
		return nil, errReplaced
	}
	v := now.verdict
	v.Zip = s
	full, _ := c.replace(now, &v)
	return full, nil
}

// withhold records that a version is not to be served until its store confirms it again. Its files stay,
// and need not be fetched again then.
func (c *cache) withhold(m module.Version) error {
	c.writing.Lock()
	defer c.writing.Unlock()
	now := c.get(m)
	if now == nil || now.Withheld {
		return nil
	}
	v := now.verdict
	v.Withheld = true
	_, err := c.replace(now, &v)
	return err
}

// replace puts v in the place of e's verdict, in memory and, unless e is still to be
// saved, on disk. The error is about the disk only; it may be ignored, because a
// verdict that is out of date only means more questions after a restart. Call it
// with c.writing held.
func (c *cache) replace(e *entry, v *verdict) (*entry, error) {
	var err error
	now := c.now()
	if e.unsaved == nil {
		err = c.writeVerdict(e.file+verdictExt, v)
		_ = os.Chtimes(e.file+verdictExt, now, now) // a verdict's time is that of its last use
	}
	return c.remember(&entry{verdict: *v, file: e.file, unsaved: e.unsaved}, now), err
}

// save writes the small files of m and its verdict, if that is still to be done.
func (c *cache) save(m module.Version) (*entry, error) {
	e := c.get(m)
	switch {
	case e == nil: // dropped or evicted meanwhile
		return nil, errReplaced
	case e.unsaved == nil:
		return e, nil
	}
	info, gomod, err := c.saveFiles(e)
	c.writing.Lock()
	defer c.writing.Unlock()
	now := c.get(m)
	switch {
	case now == nil: // dropped meanwhile
		return nil, errors.Join(errReplaced, c.removeFiles(e.file))
	case now.unsaved != e.unsaved:
		return now, nil
	}
	saved := &entry{verdict: now.verdict, file: now.file}
	saved.Info, saved.Mod = info, gomod
	if err == nil {
		saved, err = c.replace(saved, &saved.verdict)
	}
	if err != nil {
		c.forget(now)
		c.forget(saved)
		return nil, err
	}
	return saved, nil
}

func (c *cache) saveFiles(e *entry) (info, gomod stamp, err error) {
	if info, err = c.writeFile(e.file+infoExt, e.unsaved.info); err != nil {
		return info, gomod, err
	}
	if gomod, err = c.writeFile(e.file+modExt, e.unsaved.gomod); err != nil {
		return info, gomod, err
	}
	if e.ZipLayer == nil {
		err = c.remove(e.file + zipExt)
	}
	return info, gomod, err
}

// writeVerdict writes v as JSON. It is not flushed to disk: a torn one does not
// parse, and that only means that the store is asked again.
func (c *cache) writeVerdict(name string, v any) error {
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
func (c *cache) drop(m module.Version) error {
	c.writing.Lock()
	defer c.writing.Unlock()
	c.mu.Lock()
	delete(c.entries, m)
	c.mu.Unlock()
	name, err := goproxy.Base(m)
	if err != nil {
		return err
	}
	return c.removeFiles(c.path(name))
}

func (c *cache) removeFiles(file string) error {
	var errs []error
	for _, ext := range [...]string{verdictExt, zipExt, infoExt, modExt} {
		errs = append(errs, c.remove(file+ext))
	}
	return errors.Join(errs...)
}

// remove removes a file that may be gone already.
func (c *cache) remove(name string) error {
	fi, err := os.Stat(name)
	if err == nil {
		err = os.Remove(name)
	}
	if err == nil {
		c.size.Add(-fi.Size())
	}
	return ignoreGone(err)
}
