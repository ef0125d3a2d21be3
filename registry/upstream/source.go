package upstream

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"golang.org/x/mod/module"

	"github.com/modferry/modferry/artifact/goproxy"
	"github.com/modferry/modferry/artifact/sumdb"
)

// SourceOptions configures a [Source].
type SourceOptions struct {
	// Spool is a directory of this Source's own, where what it fetches is kept; required. The caller removes it.
	Spool string

	// ModCache is a GOMODCACHE that is looked into before Upstream is asked for the files of a version; "" = none.
	// What it has is only good for finding out what is needed: it is never mirrored.
	ModCache string
}

// Source is what an Upstream and a checksum database have, by their names in the
// GOPROXY protocol. It is a record.Source, and safe for concurrent use.
type Source struct {
	up    *Upstream
	sums  *Checksums
	spool localTree   // all files in it are complete
	kept  []localTree // where to look for the files of versions first
	busy  sync.Map    // chan struct{} with room for one, by the name of a version's file
}

// NewSource returns a Source. The files of versions that it fetches are kept, and are given to up's own Info, GoMod
// and Zip from then on. sums may be nil: then there is no checksum database.
func NewSource(up *Upstream, sums *Checksums, o SourceOptions) *Source {
	g := &Source{up: up, sums: sums, spool: localTree(o.Spool)}
	if o.ModCache != "" {
		g.kept = append(g.kept, localTree(o.ModCache))
	}
	g.kept = append(g.kept, g.spool)
	up.spool.Store(&entry{tree: g.spool, local: func() bool { return true }})
	return g
}

// Open opens a file of the protocol:
//
//	<path>/@v/list, <path>/@latest               as upstream has them now
//	<path>/@v/<version>.info, .mod, .zip         of canonical versions: fetched once
//	<path>/@v/<revision>.info                    as upstream has it now
//	sumdb/<name>/supported, latest, lookup, tile of the checksum database of that name
//
// Requests for one file of a version wait for each other. The error matches fs.ErrNotExist if, and only if, the file
// does not exist: nobody has it, GOPROXY=off, or what would have to be asked is none of the database's business. That
// the go command fails to find something directly counts as that, too, except for the zips and go.mod files of
// versions: which of its failures are no more than a wrong guess at a path cannot be told from outside.
func (g *Source) Open(ctx context.Context, name string) (io.ReadCloser, error) {
	rc, err := g.open(ctx, name)
	if err == nil {
		return rc, nil
	}
	w, _ := goproxy.Parse(name) // of a checksum database's file it has no kind
	var direct *directError
	isGuess := w.Kind != goproxy.Mod && w.Kind != goproxy.Zip
	switch {
	case errors.Is(err, ErrNotFound), errors.Is(err, ErrOff), isGuess && errors.As(err, &direct):
		return nil, &absentError{err}
	case errors.Is(err, fs.ErrNotExist):
		return nil, errors.New(err.Error()) // it is something of this machine that is missing
	}
	return nil, err
}

func (g *Source) open(ctx context.Context, name string) (io.ReadCloser, error) {
	if rest, ok := strings.CutPrefix(name, "sumdb/"); ok {
		return g.openSums(ctx, rest)
	}
	w, err := goproxy.Parse(name)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNotFound, err)
	}
	if (w.Kind == goproxy.Mod || w.Kind == goproxy.Zip) && !goproxy.IsVersion(w.Version) {
		return nil, fmt.Errorf("%w: %s is not a canonical version", ErrNotFound, w.Version)
	}
	if goproxy.IsVersion(w.Version) {
		return g.openKept(ctx, w, name)
	}
	limit := int64(MaxInfo)
	if w.Kind == goproxy.List {
		limit = maxList
	}
	data, err := g.up.bytes(ctx, w, limit)
	return io.NopCloser(bytes.NewReader(data)), err
}

// openKept opens a file of a version, which it fetches if it is not there yet.
func (g *Source) openKept(ctx context.Context, w goproxy.File, name string) (io.ReadCloser, error) {
	busy, _ := g.busy.LoadOrStore(name, make(chan struct{}, 1))
	select {
	case busy.(chan struct{}) <- struct{}{}:
		defer func() { <-busy.(chan struct{}) }()
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	for _, s := range g.kept {
		if f, err := s.open(ctx, name); !errors.Is(err, ErrNotFound) {
			return f, err
		}
	}
	err := put(string(g.spool), name, func(f *os.File) error {
		if w.Kind == goproxy.Zip {
			return g.up.Zip(ctx, w.Version, f)
		}
		get := g.up.GoMod
		if w.Kind == goproxy.Info {
			get = g.up.Info
		}
		data, err := get(ctx, w.Version)
		if err == nil {
			_, err = f.Write(data)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return g.spool.open(ctx, name)
}

// openSums opens a file of the checksum database.
func (g *Source) openSums(ctx context.Context, name string) (io.ReadCloser, error) {
	db, file, _ := strings.Cut(name, "/")
	if g.sums == nil || db != g.sums.Name() || !fs.ValidPath(file) {
		return nil, fmt.Errorf("%w: no such checksum database is asked", ErrNotFound)
	}
	kind, rest, _ := strings.Cut(file, "/")
	switch kind {
	case "supported":
		return io.NopCloser(strings.NewReader("")), nil
	case "lookup":
		escaped, _, _ := strings.Cut(rest, "@")
		path, err := module.UnescapePath(escaped)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", ErrNotFound, err)
		}
		if !g.sums.Covers(path) {
			return nil, fmt.Errorf("%w: %s is private, so the checksum database %s is not asked about it", ErrNotFound, path, db)
		}
	case "latest", "tile":
	default:
		return nil, fmt.Errorf("%w: checksum databases have no %q", ErrNotFound, kind)
	}
	data, err := g.sums.read(ctx, file, sumdb.MaxRecord+sumdb.MaxNote)
	if err != nil {
		return nil, fmt.Errorf("asking the checksum database %s: %w", db, err)
	}
	return io.NopCloser(bytes.NewReader(data)), nil
}

// absentError is fs.ErrNotExist.
type absentError struct{ err error }

func (e *absentError) Error() string        { return e.err.Error() }
func (e *absentError) Unwrap() error        { return e.err }
func (e *absentError) Is(target error) bool { return target == fs.ErrNotExist }

// put adds a file to a directory, by its name in the GOPROXY protocol.
func put(dir, name string, fill func(*os.File) error) error {
	file := filepath.Join(dir, filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return fmt.Errorf("keeping %s: %w", name, err)
	}
	f, err := os.CreateTemp(filepath.Dir(file), "*.tmp")
	if err != nil {
		return fmt.Errorf("keeping %s: %w", name, err)
	}
	err = fill(f)
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(f.Name(), file)
	}
	if err != nil {
		_ = os.Remove(f.Name()) // the caller removes the directory anyway
	}
	return err
}
