package mirrorfile

import (
	"bytes"
	"cmp"
	"encoding/base64"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/mod/module"

	"github.com/modferry/modferry/artifact/goproxy"
	"github.com/modferry/modferry/artifact/strictyaml"
	"github.com/modferry/modferry/registry/requirement"
)

// Lock is what the entries of a mirror file came to: the versions that their
// queries, projects and tools need, and the sums of those.
type Lock struct {
	Sources []Locked
	Sums    map[module.Version]requirement.Sums
}

// Locked is what one entry came to.
type Locked struct {
	Line        int    // where it begins in the text that was parsed; 0 = nowhere
	ID          string // of the entry, as [Module.ID] returns it
	Fingerprint string // of what else it depends on, as a project's go.sum; may be empty

	// Needs are the versions to mirror, one of each. Only Module, ModOnly and Revisions are locked here.
	Needs []requirement.Requirement

	// Means are the versions that the entry's query led to, if what those need could not all be
	// found out: so that is to be asked again, but not the query. Then there are no Needs.
	Means []module.Version
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

// LockName returns the name of the lock that belongs to a mirror file: modferry.lock for modferry.yaml.
func LockName(file string) string { return strings.TrimSuffix(file, filepath.Ext(file)) + ".lock" }

// lockHeader is for whoever opens the file.
const lockHeader = `# What the mirror file beside this one came to, when modferry last looked: the versions
# its entries need, and the sums of those. Commit both files: whoever mirrors next gets
# the same. "modferry mirror --update" moves it on; there is no need to edit it.
`

// Format returns the YAML of a lock, with one line per fact, sorted: equal locks
// have equal texts, and what differs between two is seen line by line. ParseLock
// makes l of it again, sorted and without doubles, if its versions and sums are valid.
func (l *Lock) Format() []byte {
	b := []byte(lockHeader + "version: 1\n")
	for i, s := range sorted(l.Sources, func(a, b Locked) int { return cmp.Compare(a.ID, b.ID) }) {
		if i == 0 {
			b = append(b, "sources:\n"...)
		}
		b = fmt.Appendf(b, "  - source: %q\n", s.ID)
		if s.Fingerprint != "" {
			b = fmt.Appendf(b, "    fingerprint: %q\n", s.Fingerprint)
		}
		b = appendFacts(b, "    means", sorted(s.Means, goproxy.Compare), inWords)
		needs := sorted(s.Needs, compareNeeds)
		b = appendFacts(b, "    needs", needs, needText)
		b = appendFacts(b, "    revisions", revisions(needs), revision.quoted)
	}
	var sums []string
	for _, m := range slices.SortedFunc(maps.Keys(l.Sums), goproxy.Compare) {
		if h1 := l.Sums[m].Zip; h1 != "" {
			sums = append(sums, inWords(m)+" "+h1)
		}
		if h1 := l.Sums[m].GoMod; h1 != "" {
			sums = append(sums, inWords(m)+"/go.mod "+h1)
		}
	}
	return appendFacts(b, "sums", sums, strings.Clone)
}

// appendFacts appends a list of facts, if there are any.
func appendFacts[T any](b []byte, name string, facts []T, text func(T) string) []byte {
	indent := name[:strings.LastIndex(name, " ")+1]
	for i, f := range facts {
		if i == 0 {
			b = fmt.Appendf(b, "%s:\n", name)
		}
		b = fmt.Appendf(b, "%s  - %s\n", indent, text(f))
	}
	return b
}

// sorted returns a list in order, with the first of those that are equal.
func sorted[T any](list []T, compare func(a, b T) int) []T {
	list = slices.SortedStableFunc(slices.Values(list), compare)
	return slices.CompactFunc(list, func(a, b T) bool { return compare(a, b) == 0 })
}

func compareNeeds(a, b requirement.Requirement) int { return goproxy.Compare(a.Module, b.Module) }

// A revision says which version a branch, a tag or a commit of a module was.
type revision struct {
	module.Version
	name string
}

// revisions returns the revisions of all needs, in order, the first of those that say of one name which version it was.
func revisions(needs []requirement.Requirement) []revision {
	var all []revision
	for _, n := range needs {
		for _, name := range n.Revisions {
			all = append(all, revision{n.Module, name})
		}
	}
	return sorted(all, func(a, b revision) int { return cmp.Or(cmp.Compare(a.Path, b.Path), cmp.Compare(a.name, b.name)) })
}

// inWords returns a version as it stands in a lock, and in a go.sum.
func inWords(m module.Version) string { return m.Path + " " + m.Version }

// needText returns a need as it stands in a lock, and in a go.sum: "path version" or "path version/go.mod".
func needText(n requirement.Requirement) string {
	if n.ModOnly {
		return inWords(n.Module) + "/go.mod"
	}
	return inWords(n.Module)
}

// quoted returns the revision as it stands in a lock: names may have characters that mean something in YAML.
func (r revision) quoted() string { return fmt.Sprintf("%q", r.Path+" "+r.name+" "+r.Version.Version) }

// MaxLockSize is how large a lock may be, in bytes.
const MaxLockSize = 32 << 20

// ParseLock parses a lock of at most MaxLockSize bytes. It takes nothing but what [Lock.Format] writes, and lines of
// comments, so whatever is unknown, doubled or not in order after an edit or a merge is an error; and so are versions
// that are not canonical and sums that are not h1: of 32 bytes. The error joins the problems, each with its line; of
// very many, a hundred.
func ParseLock(name string, data []byte) (*Lock, error) {
	p := &lockReader{strictyaml.Problems{Name: name}}
	l := &Lock{Sums: make(map[module.Version]requirement.Sums)}
	if text := string(data); p.IsText(text, MaxLockSize) {
		p.readLock(l, text)
		p.checkLines(l, text)
	}
	if err := p.Err(); err != nil {
		return nil, err
	}
	return l, nil
}

// lockReader reads a lock, and collects what is wrong with it.
type lockReader struct{ strictyaml.Problems }

// readLock reads the facts of a lock, each for what its line begins with; whether the line is as it must be, and at
// its place, [lockReader.checkLines] finds out.
func (p *lockReader) readLock(l *Lock, text string) {
	list, number := "", 0 // list is what the facts are of that come next
	for line := range strings.Lines(text) {
		number++
		if line = strings.TrimSpace(line); isComment(line) {
			continue
		}
		id, isSource := strings.CutPrefix(line, "- source: ")
		fingerprint, isFingerprint := strings.CutPrefix(line, "fingerprint: ")
		fact, isFact := strings.CutPrefix(line, "- ")
		last := len(l.Sources) - 1
		switch {
		case list == "":
			if list = line; list != "version: 1" {
				p.Add(0, "this is not a lock of version: 1, which is what this modferry reads")
				return
			}
		case isSource:
			l.Sources = append(l.Sources, Locked{Line: number, ID: unquote(id)})
		case isFact && list == "sums:":
			p.readSum(l, number, fact)
		case isFact && last >= 0:
			p.readFact(&l.Sources[last], list, number, fact)
		case isFingerprint && last >= 0:
			l.Sources[last].Fingerprint = unquote(fingerprint)
		default:
			list = line
		}
	}
	if list == "" {
		p.Add(0, "this is not a lock of version: 1: it is empty")
	}
}

func isComment(line string) bool { return line == "" || line[0] == '#' }

// unquote returns a text that was written with %q; "" if it was not.
func unquote(s string) string {
	s, _ = strconv.Unquote(s)
	return s
}

// readFact reads a fact of one of the lists of a source.
func (p *lockReader) readFact(s *Locked, list string, number int, fact string) {
	switch list {
	case "means:":
		need, _ := p.need(number, fact)
		s.Means = append(s.Means, need.Module)
	case "needs:":
		need, _ := p.need(number, fact)
		s.Needs = append(s.Needs, need)
		if len(s.Means) > 0 && len(s.Needs) == 1 { // told once
			p.Add(number, "the source has means as well as needs: either what it needs was found out, or not")
		}
	case "revisions:":
		path, rest, _ := strings.Cut(unquote(fact), " ")
		name, version, _ := strings.Cut(rest, " ")
		m := module.Version{Path: path, Version: version}
		p.checkVersion(number, m)
		i := slices.IndexFunc(s.Needs, func(n requirement.Requirement) bool { return n.Module == m })
		if i < 0 {
			p.Add(number, "%s is not among the needs of the source", m)
			return
		}
		s.Needs[i].Revisions = append(s.Needs[i].Revisions, name)
	}
}

// readSum reads a fact of the list of sums.
func (p *lockReader) readSum(l *Lock, number int, fact string) {
	need, h1 := p.need(number, fact)
	hash, ok := strings.CutPrefix(h1, "h1:")
	if b, err := base64.StdEncoding.Strict().DecodeString(hash); !ok || err != nil || len(b) != 32 {
		p.Add(number, "%s: %.100q is not a sum: it must be h1: and 32 bytes in base64", need.Module, h1)
	}
	sums := l.Sums[need.Module]
	if need.ModOnly {
		sums.GoMod = h1
	} else {
		sums.Zip = h1
	}
	l.Sums[need.Module] = sums
}

// need reads "path version" or "path version/go.mod", and what follows that.
func (p *lockReader) need(number int, fact string) (need requirement.Requirement, rest string) {
	path, rest, _ := strings.Cut(fact, " ")
	version, rest, _ := strings.Cut(rest, " ")
	version, modOnly := strings.CutSuffix(version, "/go.mod")
	need = requirement.Requirement{Module: module.Version{Path: path, Version: version}, ModOnly: modOnly}
	p.checkVersion(number, need.Module)
	return need, rest
}

func (p *lockReader) checkVersion(number int, m module.Version) {
	if err := goproxy.Check(m); err != nil {
		p.Add(number, "%w", err)
	}
}

// checkLines checks that the lines are those of the lock, but for comments.
func (p *lockReader) checkLines(l *Lock, text string) {
	if p.Found() > 0 {
		return
	}
	rest, number := l.Format()[len(lockHeader):], 0
	for line := range strings.Lines(text) {
		number++
		if line = strings.TrimRight(line, "\r\n"); isComment(line) {
			continue
		}
		var want []byte
		if want, rest, _ = bytes.Cut(rest, []byte("\n")); line != string(want) {
			p.Add(number, "this line is not as modferry wrote it: a lock is sorted and says nothing twice, so it was edited or badly merged")
			return
		}
	}
}
