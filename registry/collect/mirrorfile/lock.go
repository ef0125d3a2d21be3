package mirrorfile

import (
	"bytes"
	"cmp"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/mod/module"

	"github.com/modferry/modferry/artifact/goproxy"
)

// Lock is what the entries of a mirror file came to: the versions that their
// queries, projects and tools need, and the sums of those.
//
// Its text is made of lines. Spaces and tabs around a line do not count, nor do
// empty lines and those that begin with #.
//
//	lock        = "version 1" { source } [ "sums" { sum } ]
//	source      = "source" ID [ fingerprint ] ( { means } | { need | revision } )
//	fingerprint = "fingerprint" word
//	means       = "means" path version
//	need        = "need" path version [ "/go.mod" ]
//	revision    = "revision" path name version
//	sum         = path version [ "/go.mod" ] "h1:" base64
//
// The order within a source does not matter. An ID is the rest of its line. "/go.mod" follows the version without a space and
// means the go.mod alone, so sums are lines as in a go.sum.
type Lock struct {
	Sources []Locked
	Sums    map[module.Version]Sums
}

// Locked is what one entry came to.
type Locked struct {
	Line        int    // where it begins in the text that was parsed; 0 = nowhere
	ID          string // of the entry, as [Module.ID] returns it
	Fingerprint string // of what else it depends on, as a project's go.sum; one word, or empty
	Needs       []Need
	Revisions   []Revision

	// Means are the versions that the entry's query led to, if what those need could not all be
	// found out: so that is to be asked again, but not the query. Then there are no Needs.
	Means []module.Version
}

// Need is a version to mirror.
type Need struct {
	Module  module.Version
	ModOnly bool // its go.mod is enough
}

// Revision says which version a branch, a tag or a commit of a module was.
type Revision struct {
	Path, Name, Version string
}

// Sums are the h1 sums of a version; an empty one is not known.
type Sums struct {
	Zip, GoMod string
}

// Source returns what the entry with an ID came to; nil if it is not locked.
func (l *Lock) Source(id string) *Locked {
	for i := range l.Sources {
		if l.Sources[i].ID == id {
			return &l.Sources[i]
		}
	}
	return nil
}

// LockName returns the name of the lock that belongs to a mirror file:
// modferry.lock for modferry.yaml.
func LockName(file string) string {
	const ext = ".lock"
	if old := filepath.Ext(file); old != ext {
		file = strings.TrimSuffix(file, old)
	}
	return file + ext
}

// lockHeader is for whoever opens the file.
const lockHeader = `# What the mirror file beside this one came to, when modferry last looked: the versions
# its entries need, and the sums of those. Commit both files: whoever mirrors next gets
# the same. "modferry mirror --update" moves it on; there is no need to edit it.
version 1
`

const goModSuffix = "/go.mod"

// Format returns the text of a lock, with one line per fact, sorted: equal locks
// have equal texts, and what differs between two is seen line by line. ParseLock
// makes l of it again, sorted, provided that l holds nothing that it refuses, such
// as a version that is not canonical, or an ID of several lines.
func (l *Lock) Format() []byte {
	b := bytes.NewBufferString(lockHeader)
	sorted := l.sorted()
	for _, s := range sorted.Sources {
		fmt.Fprintf(b, "\nsource %s\n", s.ID)
		if s.Fingerprint != "" {
			fmt.Fprintf(b, "\tfingerprint %s\n", s.Fingerprint)
		}
		for _, m := range s.Means {
			fmt.Fprintf(b, "\tmeans %s %s\n", m.Path, m.Version)
		}
		for _, n := range s.Needs {
			fmt.Fprintf(b, "\tneed %s %s%s\n", n.Module.Path, n.Module.Version, n.suffix())
		}
		for _, r := range s.Revisions {
			fmt.Fprintf(b, "\trevision %s %s %s\n", r.Path, r.Name, r.Version)
		}
	}
	l.formatSums(b)
	return b.Bytes()
}

func (l *Lock) formatSums(b *bytes.Buffer) {
	b.WriteString("\nsums\n")
	for _, m := range slices.SortedFunc(maps.Keys(l.Sums), goproxy.Compare) {
		sums := l.Sums[m]
		if sums.Zip != "" {
			fmt.Fprintf(b, "%s %s %s\n", m.Path, m.Version, sums.Zip)
		}
		if sums.GoMod != "" {
			fmt.Fprintf(b, "%s %s%s %s\n", m.Path, m.Version, goModSuffix, sums.GoMod)
		}
	}
}

func (n Need) suffix() string {
	if n.ModOnly {
		return goModSuffix
	}
	return ""
}

// sorted returns the lock with everything in order and without doubles. Of a need
// for a version and one for its go.mod, the former includes the latter.
func (l *Lock) sorted() *Lock {
	out := &Lock{Sums: l.Sums}
	for _, s := range l.Sources {
		s.Needs, s.Revisions = slices.Clone(s.Needs), slices.Clone(s.Revisions)
		s.Means = slices.Compact(slices.SortedFunc(slices.Values(s.Means), goproxy.Compare))
		slices.SortFunc(s.Needs, compareNeeds)
		s.Needs = slices.CompactFunc(s.Needs, func(a, b Need) bool { return a.Module == b.Module })
		slices.SortFunc(s.Revisions, compareRevisions)
		s.Revisions = slices.Compact(s.Revisions)
		out.Sources = append(out.Sources, s)
	}
	slices.SortFunc(out.Sources, func(a, b Locked) int { return cmp.Compare(a.ID, b.ID) })
	return out
}

func compareNeeds(a, b Need) int {
	if c := goproxy.Compare(a.Module, b.Module); c != 0 || a.ModOnly == b.ModOnly {
		return c
	}
	if b.ModOnly {
		return -1
	}
	return 1
}

func compareRevisions(a, b Revision) int {
	return cmp.Or(
		cmp.Compare(a.Path, b.Path),
		cmp.Compare(a.Name, b.Name),
		cmp.Compare(a.Version, b.Version),
	)
}
