package main

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/urfave/cli/v2"

	"github.com/modferry/modferry/registry/mirror/mirrorfile"
)

// mirrorFile is a mirror file with its lock.
type mirrorFile struct {
	*mirrorfile.File
	lockName string
	lock     *mirrorfile.Lock // nil = there is none as yet
	locked   []byte           // as it was read
}

// mirrorFile reads the mirror file that is the only argument, and makes its settings those of the command where the
// command line and the environment say nothing. It returns nil if the argument is something else.
func (a *app) mirrorFile(c *cli.Context) (*mirrorFile, error) {
	name := c.Args().First()
	ext := filepath.Ext(name)
	if c.Bool(flagRecord) || ext != ".yaml" && ext != ".yml" {
		if c.Bool(flagUpdate) {
			return nil, usageErrorf("--%s is for a mirror file: modferry mirror --%[1]s modferry.yaml", flagUpdate)
		}
		return nil, nil
	}
	if c.Args().Len() > 1 || len(c.StringSlice(flagTool)) > 0 {
		return nil, usageErrorf("%s: a mirror file is mirrored by itself: list the other sources in it, or run mirror twice", name)
	}
	m, err := readMirrorFile(name)
	if err != nil {
		return nil, err
	}
	if !c.Bool(flagDryRun) && (m.lock == nil || c.Bool(flagUpdate)) {
		if err := m.tryLock(); err != nil {
			return nil, err
		}
	}
	return m, m.apply(c)
}

// tryLock finds out early whether the lock can be written.
func (m *mirrorFile) tryLock() error {
	f, err := os.CreateTemp(filepath.Dir(m.lockName), "."+filepath.Base(m.lockName)+".*")
	if err == nil {
		err = errors.Join(f.Close(), os.Remove(f.Name()))
	}
	if err != nil {
		return withHint(fmt.Errorf("the lock of %s could not be written: %w", m.Name, err), "mirror it from a directory that you may write to")
	}
	return nil
}

func readMirrorFile(name string) (*mirrorFile, error) {
	data, err := readAtMost(name, mirrorfile.MaxSize)
	if err != nil {
		return nil, err
	}
	f, err := mirrorfile.Parse(name, data)
	if err != nil {
		return nil, fmt.Errorf("the mirror file has mistakes:\n%w", err)
	}
	m := &mirrorFile{File: f, lockName: mirrorfile.LockName(name)}
	m.locked, err = readAtMost(m.lockName, mirrorfile.MaxLockSize)
	if errors.Is(err, fs.ErrNotExist) {
		return m, nil
	}
	if err != nil {
		return nil, err
	}
	if m.lock, err = mirrorfile.ParseLock(m.lockName, m.locked); err != nil {
		return nil, withHint(err, "restore it from version control, or delete it to resolve everything anew")
	}
	return m, nil
}

// apply sets the options that the mirror file has and nobody else set.
func (m *mirrorFile) apply(c *cli.Context) error {
	settings := map[string]string{flagRegistry: m.Store, flagUpstream: m.Upstream}
	if !c.Bool(flagNoSign) {
		settings[flagSignKey] = m.Key
	}
	for name, value := range settings {
		if value == "" || c.IsSet(name) {
			continue
		}
		if err := c.Set(name, value); err != nil {
			return usageErrorf("%s: %v", m.Name, err)
		}
	}
	if len(m.Private) == 0 {
		return nil
	}
	return c.Set(flagPrivate, joinPatterns(append(m.Private, c.String(flagPrivate))...))
}

// write writes the lock, if there is anything new in it.
func (m *mirrorFile) write(lock *mirrorfile.Lock) error {
	data := lock.Format()
	if bytes.Equal(data, m.locked) {
		return nil
	}
	if err := replaceFile(m.lockName, data); err != nil {
		return withHint(fmt.Errorf("writing the lock: %w", err), "what was mirrored is in the store, but not locked: make the directory of the mirror file writable and run mirror again")
	}
	return nil
}

// readAtMost reads a file that must not be larger than limit bytes.
func readAtMost(name string, limit int64) ([]byte, error) {
	info, err := os.Stat(name)
	if err == nil && info.Size() > limit {
		err = fmt.Errorf("%s has %d bytes, at most %d are read", name, info.Size(), limit)
	}
	if err != nil {
		return nil, err
	}
	return os.ReadFile(name)
}
