package main

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/modferry/modferry/artifact/userfile"
	"github.com/modferry/modferry/cmd/modferry/internal/command"
	"github.com/modferry/modferry/registry/collect/mirrorfile"
)

// mirrorFile is a mirror file with its lock.
type mirrorFile struct {
	*mirrorfile.File
	lockName string
	lock     *mirrorfile.Lock // nil = there is none as yet
	locked   []byte           // as it was read
	applied  map[string]bool  // the options that it sets
}

// mirrorFile reads the mirror file that is the only argument, and makes its settings those of the command where the
// command line and the environment say nothing. It returns nil if the argument is something else.
func (a *app) mirrorFile(c *cli.Context) (*mirrorFile, error) {
	name := c.Args().First()
	if c.Bool(flagRecord) || !isMirrorFile(name) {
		if c.Bool(flagUpdate) {
			return nil, command.UsageErrorf("--%s is for a mirror file: modferry mirror --%[1]s modferry.yaml", flagUpdate)
		}
		return nil, nil
	}
	if c.Args().Len() > 1 || len(c.StringSlice(flagTool)) > 0 {
		return nil, command.UsageErrorf("%s: a mirror file is mirrored by itself: list the other sources in it, or run mirror twice", name)
	}
	for _, f := range [...]struct{ flag, line string }{
		{command.FlagPlatform, "platforms:"}, {flagToolchains, "toolchains:"}, {flagDownloadAll, "downloadAll: true"},
	} {
		if _, fromEnv := a.Env(command.EnvName(f.flag)); c.IsSet(f.flag) && !fromEnv { // a setting for other commands
			return nil, command.UsageErrorf("--%s: what a mirror file asks for stands in it, or the lock would not fit: write %s into %s", f.flag, f.line, name)
		}
	}
	m, err := readMirrorFile(name, c.Bool(flagUpdate))
	if err != nil {
		return nil, err
	}
	if !c.Bool(command.FlagDryRun) && (m.lock == nil || c.Bool(flagUpdate)) {
		if err := userfile.CheckWritable(m.lockName); err != nil {
			return nil, command.WithHint(fmt.Errorf("the lock of %s could not be written: %w", name, err), "mirror it from a directory that you may write to")
		}
	}
	return m, m.apply(c)
}

// isMirrorFile reports whether an argument names a mirror file, rather than a module at a branch that ends so.
func isMirrorFile(arg string) bool {
	switch strings.ToLower(filepath.Ext(arg)) {
	case ".yaml", ".yml":
	default:
		return false
	}
	_, err := os.Stat(arg)
	return err == nil || !strings.Contains(arg, "@")
}

// readMirrorFile reads a mirror file and its lock, which need not fit for an update.
func readMirrorFile(name string, update bool) (*mirrorFile, error) {
	data, err := userfile.Read(name, mirrorfile.MaxSize)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("there is no mirror file %s", name)
	}
	if err != nil {
		return nil, err
	}
	f, err := mirrorfile.Parse(name, data)
	if err != nil {
		return nil, fmt.Errorf("the mirror file has mistakes:\n%w", err)
	}
	m := &mirrorFile{File: f, lockName: mirrorfile.LockName(name), applied: make(map[string]bool)}
	m.locked, err = userfile.Read(m.lockName, mirrorfile.MaxLockSize)
	if errors.Is(err, fs.ErrNotExist) {
		return m, nil
	}
	if err != nil {
		return nil, err
	}
	if m.lock, err = mirrorfile.ParseLock(m.lockName, m.locked); err == nil && !update {
		err = f.CheckLock(m.lockName, m.lock)
	}
	if err != nil {
		return nil, command.WithHint(err, "restore it from version control, or delete it to resolve everything anew")
	}
	return m, nil
}

// apply sets the options that the mirror file has and nobody else set.
func (m *mirrorFile) apply(c *cli.Context) error {
	settings := map[string]string{command.FlagRegistry: m.Store, command.FlagUpstream: m.Upstream}
	if !c.Bool(command.FlagNoSign) {
		settings[command.FlagSignKey] = m.Key
	}
	for name, value := range settings {
		if value == "" || c.IsSet(name) {
			continue
		}
		if err := c.Set(name, value); err != nil {
			return command.UsageErrorf("%s: %v", m.Name, err)
		}
		m.applied[name] = true
	}
	if len(m.Private) == 0 {
		return nil
	}
	return c.Set(command.FlagPrivate, command.JoinPatterns(append(m.Private, c.String(command.FlagPrivate))...))
}

// explain says of an error about an option that the mirror file sets it, if it does.
func (m *mirrorFile) explain(option, field string, err error) error {
	if err == nil || m == nil || !m.applied[option] {
		return err
	}
	return fmt.Errorf("%s: %s: %w", m.Name, field, err)
}

// write writes the lock, if there is anything new in it.
func (m *mirrorFile) write(lock *mirrorfile.Lock) error {
	data := lock.Format()
	if bytes.Equal(data, m.locked) {
		return nil
	}
	if err := userfile.Replace(m.lockName, data); err != nil {
		return command.WithHint(fmt.Errorf("writing the lock: %w", err), "what was mirrored is in the store, but not locked: make the directory of the mirror file writable and run mirror again")
	}
	return nil
}
