package mirrorfile

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"strings"
	"unicode/utf8"

	"golang.org/x/mod/module"
)

// MaxLockSize is how large a lock may be, in bytes.
const MaxLockSize = 64 << 20

// lockParser makes a Lock of lines.
type lockParser struct {
	problems
	line    int
	lock    *Lock
	begun   bool           // the version was read
	sums    bool           // the sources are over
	sources map[string]int // lines of the sources, by ID
	seen    map[any]bool   // the facts of the present source
}

// ParseLock parses a lock of at most MaxLockSize bytes. It is strict: what is
// unknown or doubled, versions that are not canonical and sums that are not h1: of 32
// bytes are errors. The error joins all problems, each an *Error; of very many, it has the
// first hundred. What it returns is sorted.
func ParseLock(name string, data []byte) (*Lock, error) {
	p := &lockParser{
		problems: problems{name: name},
		lock:     &Lock{Sums: make(map[module.Version]Sums)},
		sources:  make(map[string]int),
	}
	if len(data) > MaxLockSize {
		p.add(1, "the file has %d bytes; at most %d are read", len(data), MaxLockSize)
		return nil, p.err()
	}
	for line := range bytes.Lines(data) {
		p.line++
		if !p.parse(string(line)) {
			break
		}
	}
	for i := range p.lock.Sources {
		p.exclude(&p.lock.Sources[i])
	}
	if !p.begun && p.count == 0 {
		p.add(1, "the file is empty: a lock begins with version 1; delete it to make a new one")
	}
	if err := p.err(); err != nil {
		return nil, err
	}
	return p.lock.sorted(), nil
}

func (p *lockParser) fail(format string, args ...any) { p.add(p.line, format, args...) }

// parse parses a line, and reports whether there is any use in reading on.
func (p *lockParser) parse(line string) bool {
	line = strings.Trim(line, " \t\r\n")
	words := strings.Fields(line)
	switch {
	case line == "" || line[0] == '#':
	case isConflict(line):
		p.fail(`this is a merge conflict: resolve it, or take one side and run "modferry mirror --update"`)
		return false
	case !p.begun:
		return p.begin(line)
	case !utf8.ValidString(line):
		p.fail("the line is not UTF-8 text")
	case line == "sums" && !p.sums:
		p.sums = true
	case p.sums:
		p.sum(words)
	case words[0] == "source":
		p.source(strings.TrimLeft(strings.TrimPrefix(line, "source"), " \t"))
	case len(p.lock.Sources) == 0:
		p.fail("this must be a line source or sums, not %s", quote(line))
	default:
		p.fact(&p.lock.Sources[len(p.lock.Sources)-1], words)
	}
	return true
}

// isConflict reports whether git or its like wrote a line to mark a conflict.
func isConflict(line string) bool {
	for _, mark := range []string{"<<<<<<<", "|||||||", "=======", ">>>>>>>"} {
		if strings.HasPrefix(line, mark) {
			return true
		}
	}
	return false
}

func (p *lockParser) begin(line string) bool {
	version, ok := strings.CutPrefix(line, "version ")
	switch {
	case !ok:
		p.fail("this is no modferry.lock: it begins with version 1")
	case version != "1":
		p.fail("this modferry reads version 1 of locks, not %s; a newer one may", quote(version))
	default:
		p.begun = true
	}
	return p.begun
}

func (p *lockParser) source(id string) {
	if first := p.sources[id]; first != 0 {
		p.fail("the source %s is there already, on line %d", quote(id), first)
	}
	if id == "" {
		p.fail("the source is missing, as in source module example.com/m@latest")
	}
	p.sources[id] = p.line
	p.seen = make(map[any]bool)
	p.lock.Sources = append(p.lock.Sources, Locked{Line: p.line, ID: id})
}

// fact parses what is said of a source.
func (p *lockParser) fact(s *Locked, words []string) {
	switch {
	case words[0] == "fingerprint" && len(words) == 2:
		s.Fingerprint = words[1]
		p.once("fingerprint")
	case words[0] == "means" && len(words) == 3:
		m, modOnly, ok := p.version(words[1], words[2])
		if modOnly {
			p.fail("a query means a version, not its go.mod")
		} else if ok && p.once("means "+m.String()) {
			s.Means = append(s.Means, m)
		}
	case words[0] == "need" && len(words) == 3:
		m, modOnly, ok := p.version(words[1], words[2])
		if ok && p.once(m) {
			s.Needs = append(s.Needs, Need{Module: m, ModOnly: modOnly})
		}
	case words[0] == "revision" && len(words) == 4:
		m, modOnly, ok := p.version(words[1], words[3])
		if modOnly {
			p.fail("a revision is of a version, not of its go.mod")
		} else if ok && p.once(Revision{Path: m.Path, Name: words[2]}) {
			s.Revisions = append(s.Revisions, Revision{Path: m.Path, Name: words[2], Version: m.Version})
		}
	default:
		p.fail("this must be one of need PATH VERSION, revision PATH NAME VERSION, means PATH VERSION, fingerprint WORD, source ID, sums; not %s", quote(strings.Join(words, " ")))
	}
}

// exclude complains of facts that do not go together.
func (p *lockParser) exclude(s *Locked) {
	if len(s.Means) > 0 && len(s.Needs)+len(s.Revisions) > 0 {
		p.add(s.Line, "the source has lines means as well as need or revision: either what it needs was found out, or not")
	}
}

// once reports whether a fact is new to the source, and complains if it is not.
func (p *lockParser) once(fact any) bool {
	if p.seen[fact] {
		p.fail("the source says this twice")
		return false
	}
	p.seen[fact] = true
	return true
}

// version parses a path and a version with or without /go.mod.
func (p *lockParser) version(path, version string) (m module.Version, modOnly, ok bool) {
	version, modOnly = strings.CutSuffix(version, goModSuffix)
	if err := checkVersion(path, version); err != nil {
		p.fail("%w", err)
		return m, modOnly, false
	}
	return module.Version{Path: path, Version: version}, modOnly, true
}

func checkVersion(path, version string) error {
	if err := module.Check(path, version); err != nil {
		return err
	}
	if module.CanonicalVersion(version) != version {
		return fmt.Errorf("%s@%s: the version is not canonical, like v1.2.3", path, version)
	}
	return nil
}

// sum parses a line as in a go.sum.
func (p *lockParser) sum(words []string) {
	if len(words) != 3 {
		p.fail("this must be PATH VERSION h1:…, as in a go.sum")
		return
	}
	m, modOnly, ok := p.version(words[0], words[1])
	if !ok {
		return
	}
	if err := checkSum(words[2]); err != nil {
		p.fail("%s: %w", m, err)
		return
	}
	sums := p.lock.Sums[m]
	known := &sums.Zip
	if modOnly {
		known = &sums.GoMod
	}
	if *known != "" {
		p.fail("%s: this sum is there already", m)
		return
	}
	*known = words[2]
	p.lock.Sums[m] = sums
}

// checkSum checks that a sum is one of go.sum's.
func checkSum(s string) error {
	hash, ok := strings.CutPrefix(s, "h1:")
	if sum, err := base64.StdEncoding.Strict().DecodeString(hash); !ok || err != nil || len(sum) != 32 {
		return fmt.Errorf("%s is not a sum: it must be h1: and 32 bytes in base64", quote(s))
	}
	return nil
}
