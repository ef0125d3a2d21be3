package mirror

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/mod/sumdb"
)

// maxSumDB bounds every answer of the database; records and tiles are smaller.
const maxSumDB = 1 << 20

// ReadRemote asks the database.
func (o *sumdbOps) ReadRemote(path string) ([]byte, error) {
	o.base.Do(o.chooseBase)
	if o.fromFail != nil {
		return nil, o.fail(path, o.fromFail)
	}
	data, err := o.read(o.from, o.prefix+strings.TrimPrefix(path, "/"))
	if err != nil {
		return nil, o.fail(path, err)
	}
	return data, nil
}

// read fetches a file, with an error that says from where.
func (o *sumdbOps) read(e entry, name string) ([]byte, error) {
	var data []byte
	err := o.up.fetchFrom(o.ctx, e.tree, name, func(r io.Reader) (err error) {
		data, err = readLimited(r, maxSumDB)
		return err
	})
	if err == nil {
		return data, nil
	}
	if o.ctx.Err() != nil {
		err = o.ctx.Err()
	}
	var status *statusError
	if errors.As(err, &status) {
		return nil, fmt.Errorf("%s: %w (%d %s)", e.name, err, status.code, status.message)
	}
	return nil, fmt.Errorf("%s: %w", e.name, err)
}

// chooseBase finds out where to ask, as the go command does: at the address the user
// gave; else at the first proxy that carries the database, never elsewhere then; else
// at the database itself.
func (o *sumdbOps) chooseBase() {
	o.from = o.own
	if o.explicit {
		return
	}
	for _, e := range o.up.entries {
		if e.tree == nil {
			return // direct or off
		}
		prefix := "sumdb/" + o.name + "/"
		_, err := o.read(e, prefix+"supported")
		switch {
		case err == nil:
			o.from, o.prefix = e, prefix
			return
		case !errors.Is(err, ErrNotFound) && !e.fallBack:
			o.fromFail = err
			return
		}
	}
}

// fail remembers why a path could not be read.
func (o *sumdbOps) fail(path string, err error) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.failed[path] = err
	return err
}

func (o *sumdbOps) failure(path string) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.failed[path]
}

// ReadConfig returns the key, or the newest signed tree head seen.
func (o *sumdbOps) ReadConfig(file string) ([]byte, error) {
	if file == "key" {
		return []byte(o.key), nil
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.readLatest(file)
}

func (o *sumdbOps) readLatest(file string) ([]byte, error) {
	if o.cache == "" {
		return o.latest, nil
	}
	data, err := o.cache.read(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return data, err
}

// WriteConfig replaces the newest signed tree head. Two processes that do so at
// once may lose one of two heads, both of which were verified.
func (o *sumdbOps) WriteConfig(file string, before, after []byte) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	now, err := o.readLatest(file)
	if err != nil {
		return err
	}
	if !bytes.Equal(now, before) {
		return sumdb.ErrWriteConflict
	}
	if o.cache == "" {
		o.latest = after
		return nil
	}
	return o.cache.write(file, after)
}

// ReadCache returns what the database said in an earlier run. The client keeps
// what it said in this one.
func (o *sumdbOps) ReadCache(file string) ([]byte, error) {
	if o.cache == "" {
		return nil, fs.ErrNotExist
	}
	return o.cache.read(file)
}

// WriteCache keeps what the database said.
func (o *sumdbOps) WriteCache(file string, data []byte) {
	if o.cache == "" {
		return
	}
	if err := o.cache.write(file, data); err != nil {
		o.up.o.Log.Warn("caching an answer of the checksum database", "file", file, "error", err)
	}
}

// Log takes messages that are of no interest.
func (o *sumdbOps) Log(string) {}

// SecurityError is told why the database cannot be trusted; the lookups concerned fail.
func (o *sumdbOps) SecurityError(msg string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.security = msg
}

func (o *sumdbOps) securityMessage() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.security
}

// cacheDir is a directory of files that are replaced as a whole.
type cacheDir string

func (d cacheDir) read(name string) ([]byte, error) {
	return os.ReadFile(filepath.Join(string(d), filepath.FromSlash(name)))
}

func (d cacheDir) write(name string, data []byte) error {
	file := filepath.Join(string(d), filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(file), ".tmp-*")
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(f.Name(), file)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return nil
}
