// Package bundling has the command bundle: what its arguments select, and what volumes say of themselves.
package bundling

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"

	"golang.org/x/mod/module"

	"github.com/modferry/modferry/artifact/goproxy"
	"github.com/modferry/modferry/cmd/modferry/internal/audit"
	"github.com/modferry/modferry/registry/requirement"
	"github.com/modferry/modferry/registry/selection"
)

// A Selector is what arguments select.
type Selector struct {
	versions []requirement.Requirement
	patterns []goproxy.Pattern
	texts    []string // of the patterns

	mu      sync.Mutex
	matched []bool // whether something has matched a pattern
}

// ParseArgs reads arguments: an existing file is what audit.ReadNames reads, an existing directory a project, of which
// that is go.sum and go.work.sum, "-" is standard input, and everything else a pattern.
func ParseArgs(args []string, stdin io.Reader) (*Selector, error) {
	s := new(Selector)
	for _, arg := range args {
		info, err := os.Stat(arg)
		switch {
		case arg == "-", err == nil && !info.IsDir():
			err = s.addFile(arg, stdin)
		case err == nil:
			err = s.addProject(arg)
		default:
			err = s.addPattern(arg)
		}
		if err != nil {
			return nil, err
		}
	}
	return s, nil
}

func (s *Selector) addFile(name string, stdin io.Reader) error {
	named, err := audit.ReadNames(name, stdin)
	if err == nil && len(named) == 0 {
		err = fmt.Errorf("%s names no module version", name)
	}
	s.versions = append(s.versions, named...)
	return err
}

func (s *Selector) addProject(dir string) error {
	found := false
	for _, name := range []string{"go.sum", "go.work.sum"} {
		switch err := s.addFile(filepath.Join(dir, name), nil); {
		case errors.Is(err, fs.ErrNotExist):
		case err != nil:
			return err
		default:
			found = true
		}
	}
	if !found {
		return fmt.Errorf("%s has neither go.sum nor go.work.sum", dir)
	}
	return nil
}

func (s *Selector) addPattern(arg string) error {
	p, err := goproxy.ParsePattern(arg)
	if err != nil {
		return fmt.Errorf("%q is no file, and as a pattern of modules: %w", arg, err)
	}
	s.patterns, s.texts, s.matched = append(s.patterns, p), append(s.texts, arg), append(s.matched, false)
	return nil
}

// Apply has what is selected be in the bundle.
func (s *Selector) Apply(to *selection.Selection) {
	to.Versions = s.versions
	if s.patterns != nil {
		to.Match = s.match
	}
}

// match may be called concurrently.
func (s *Selector) match(m module.Version) (matches bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, p := range s.patterns {
		if p.Match(m) {
			s.matched[i], matches = true, true
		}
	}
	return matches
}

// Unmatched returns the patterns that nothing has matched.
func (s *Selector) Unmatched() (patterns []string) {
	for i, text := range s.texts {
		if !s.matched[i] {
			patterns = append(patterns, text)
		}
	}
	return patterns
}
