package record

import (
	"cmp"
	"maps"
	"slices"

	"golang.org/x/mod/module"

	"github.com/modferry/modferry/artifact/goproxy"
)

// Fetched is a module version of which something was served. Its version is canonical.
type Fetched struct {
	Module     module.Version
	GoMod, Zip bool // which of its files

	// Revisions are the queries that were answered with it, sorted: branches, tags, commits. See artifact.RevisionName.
	Revisions []string
}

// Failure is a request for a file of a version, or of a revision, or about what versions a module has, that does
// not exist or could not be had. A go command looks for a package in modules of every
// prefix of its path, so most failures are none.
type Failure struct {
	Module module.Version // Version as it was asked for; "" = of no version
	File   goproxy.Kind   // goproxy.List and goproxy.Latest are of no version
	Err    error          // the source's
}

// Hide makes the proxy answer that some files do not exist, without asking the source, and without recording that. It may
// depend on what was fetched so far.
func (p *Proxy) Hide(hidden func(goproxy.File) bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.hidden = hidden
}

func (p *Proxy) hides(q goproxy.File) bool {
	p.mu.Lock()
	hidden := p.hidden
	p.mu.Unlock()
	return hidden != nil && q.Kind != sumDB && hidden(q)
}

// Fetched returns what was served to the end so far, sorted, each version once. The
// version that an answer to a query names counts as if its .info had been fetched.
func (p *Proxy) Fetched() []Fetched {
	p.mu.Lock()
	defer p.mu.Unlock()
	list := slices.Collect(maps.Values(p.fetched))
	slices.SortFunc(list, func(a, b Fetched) int { return goproxy.Compare(a.Module, b.Module) })
	return list
}

// Failed returns the requests that were not answered, sorted, each once, without
// those that were answered another time.
func (p *Proxy) Failed() []Failure {
	p.mu.Lock()
	defer p.mu.Unlock()
	list := make([]Failure, 0, len(p.failed))
	for r, err := range p.failed {
		list = append(list, Failure{Module: r.Version, File: r.Kind, Err: err})
	}
	slices.SortFunc(list, func(a, b Failure) int {
		return cmp.Or(goproxy.Compare(a.Module, b.Module), cmp.Compare(a.File, b.File))
	})
	return list
}

// Lacking returns how often so far the go.mod or zip of a version was requested and could not be had: what a go command
// lacks that fails while the number grows.
func (p *Proxy) Lacking() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.lacking
}

// served records that a file of a version was served, and the query that it answered; "" = none.
func (p *Proxy) served(m module.Version, kind goproxy.Kind, revision string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	f := p.fetched[m]
	f.Module = m
	f.GoMod = f.GoMod || kind == goproxy.Mod
	f.Zip = f.Zip || kind == goproxy.Zip
	if at, ok := slices.BinarySearch(f.Revisions, revision); !ok && revision != "" {
		f.Revisions = slices.Insert(slices.Clone(f.Revisions), at, revision)
	}
	p.fetched[m] = f
}

// settled records how a request ended: err is nil if well.
func (p *Proxy) settled(r goproxy.File, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case r.Kind == sumDB:
	case err == nil:
		delete(p.failed, r)
	default:
		p.failed[r] = err
		if r.Kind == goproxy.Mod || r.Kind == goproxy.Zip {
			p.lacking++
		}
	}
}
