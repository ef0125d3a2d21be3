package record

import (
	"cmp"
	"maps"
	"slices"
	"sync"

	"golang.org/x/mod/module"

	"github.com/modferry/modferry/artifact/goproxy"
)

// Session is what one user of a proxy fetches. Sessions do not mix. It is safe for concurrent use.
type Session struct {
	proxy *Proxy
	id    string

	mu      sync.Mutex
	fetched map[module.Version]Fetched
	failed  map[goproxy.File]error
	lacking int                     // see Lacking
	hidden  func(goproxy.File) bool // nil = nothing is
}

// Fetched is a module version of which something was served. Its version is canonical.
type Fetched struct {
	Module           module.Version
	Info, GoMod, Zip bool

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

// URL returns the session's address, for GOPROXY.
func (s *Session) URL() string { return s.proxy.base + s.id }

// Hide makes the proxy answer that some files do not exist, without asking the source, and without recording that.
func (s *Session) Hide(hidden func(goproxy.File) bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.hidden = hidden
}

func (s *Session) hides(q goproxy.File) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.hidden != nil && q.Kind != sumDB && s.hidden(q)
}

// Close makes the proxy forget the session: its address serves nothing more. What it recorded stays.
func (s *Session) Close() {
	s.proxy.mu.Lock()
	defer s.proxy.mu.Unlock()
	delete(s.proxy.sessions, s.id)
}

// Fetched returns what was served to the end so far, sorted, each version once. The
// version that an answer to a query names counts as if its .info had been fetched.
func (s *Session) Fetched() []Fetched {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := slices.Collect(maps.Values(s.fetched))
	slices.SortFunc(list, func(a, b Fetched) int { return goproxy.Compare(a.Module, b.Module) })
	return list
}

// Failed returns the requests that were not answered, sorted, each once, without
// those that were answered another time.
func (s *Session) Failed() []Failure {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := make([]Failure, 0, len(s.failed))
	for r, err := range s.failed {
		list = append(list, Failure{Module: r.Version, File: r.Kind, Err: err})
	}
	slices.SortFunc(list, func(a, b Failure) int {
		return cmp.Or(goproxy.Compare(a.Module, b.Module), cmp.Compare(a.File, b.File))
	})
	return list
}

// Lacking returns how often so far the go.mod or zip of a version was requested and could not be had: what a go command
// lacks that fails while the number grows.
func (s *Session) Lacking() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.lacking
}

// served records that a file of a version was served, and the query that it answered; "" = none.
func (s *Session) served(m module.Version, kind goproxy.Kind, revision string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f := s.fetched[m]
	f.Module = m
	switch kind {
	case goproxy.Info:
		f.Info = true
	case goproxy.Mod:
		f.GoMod = true
	case goproxy.Zip:
		f.Zip = true
	}
	if at, ok := slices.BinarySearch(f.Revisions, revision); !ok && revision != "" {
		f.Revisions = slices.Insert(slices.Clone(f.Revisions), at, revision)
	}
	s.fetched[m] = f
}

// settled records how a request ended: err is nil if well.
func (s *Session) settled(r goproxy.File, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case r.Kind == sumDB:
	case err == nil:
		delete(s.failed, r)
	default:
		s.failed[r] = err
		if r.Kind == goproxy.Mod || r.Kind == goproxy.Zip {
			s.lacking++
		}
	}
}
