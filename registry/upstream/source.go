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
	up       *Upstream
	sums     *Checksums
	spool    *spool
	modCache *spool // GOMODCACHE/cache/download; nil = none
	flights  flights
}

// NewSource returns a Source. The files of versions that it fetches are kept, and are given to up's own Info, GoMod
// and Zip from then on. sums may be nil: then there is no checksum database.
func NewSource(up *Upstream, sums *Checksums, o SourceOptions) *Source {
	g := &Source{up: up, sums: sums, spool: &spool{o.Spool}}
	if o.ModCache != "" {
		g.modCache = &spool{filepath.Join(o.ModCache, "cache", "download")}
	}
	up.spool.Store(g.spool)
	return g
}

// Open opens a file of the protocol:
//
//	<path>/@v/list, <path>/@latest               as upstream has them now
//	<path>/@v/<version>.info, .mod, .zip         of canonical versions: fetched once
//	<path>/@v/<revision>.info                    as upstream has it now
//	sumdb/<name>/supported, latest, lookup, tile of the checksum database of that name
//
// Requests for one file at the same time share one fetch. The error matches fs.ErrNotExist if, and only if, the file
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
	for _, s := range []*spool{g.modCache, g.spool} {
		if f, err := s.open(w); f != nil || err != nil {
			return f, err
		}
	}
	data, err := g.flights.do(ctx, name, func(ctx context.Context) ([]byte, error) { return g.fetch(ctx, w) })
	switch {
	case err != nil:
		return nil, err
	case data != nil:
		return io.NopCloser(bytes.NewReader(data)), nil
	}
	f, err := g.spool.open(w)
	if err == nil && f == nil {
		err = fmt.Errorf("%s disappeared from %s", name, g.spool.dir)
	}
	return f, err
}

// fetch fetches a file. Those of versions go to the spool, and it returns nil.
func (g *Source) fetch(ctx context.Context, w goproxy.File) ([]byte, error) {
	if f, err := g.spool.open(w); f != nil || err != nil { // somebody was quicker
		if f != nil {
			err = f.Close()
		}
		return nil, err
	}
	var data []byte
	var err error
	switch w.Kind {
	case goproxy.List:
		return orEmpty(g.up.bytes(ctx, w, maxList))
	case goproxy.Latest:
		return orEmpty(g.up.bytes(ctx, w, MaxInfo))
	case goproxy.Zip:
		return nil, g.spool.put(w, func(f *os.File) error { return g.up.Zip(ctx, w.Version, f) })
	case goproxy.Info:
		data, err = orEmpty(g.up.Info(ctx, w.Version))
	case goproxy.Mod:
		data, err = orEmpty(g.up.GoMod(ctx, w.Version))
	}
	if err != nil || !goproxy.IsVersion(w.Version) {
		return data, err
	}
	return nil, g.spool.put(w, func(f *os.File) error {
		_, err := f.Write(data)
		return err
	})
}

// orEmpty keeps an empty file from being taken for none.
func orEmpty(data []byte, err error) ([]byte, error) {
	if data == nil && err == nil {
		data = []byte{}
	}
	return data, err
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
	data, err := g.flights.do(ctx, "sumdb/"+name, func(ctx context.Context) ([]byte, error) {
		return g.sums.read(ctx, file, sumdb.MaxRecord+sumdb.MaxNote)
	})
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
