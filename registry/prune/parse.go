package prune

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/opencontainers/go-digest"

	"github.com/modferry/modferry/artifact"
)

// ErrMalformed: a file is not a plan, or what was taken out of it leaves something that belongs to nothing.
var ErrMalformed = errors.New("not a plan")

// Limits of what is parsed.
const (
	maxPlan = 512 << 20 // bytes
	maxLine = 64 << 10
)

// Parse reads a plan. The error matches ErrMalformed or artifact.ErrLimit, or is r's.
func Parse(r io.Reader) (*Plan, error) {
	limited := &io.LimitedReader{R: r, N: maxPlan + 1}
	p := parser{lines: bufio.NewReaderSize(limited, maxLine), seen: make(map[string]bool)}
	err := p.parse()
	switch {
	case limited.N == 0, errors.Is(err, bufio.ErrBufferFull):
		return nil, fmt.Errorf("plan: more than %d bytes, or a line of more than %d: %w", maxPlan, maxLine, artifact.ErrLimit)
	case err != nil:
		return nil, fmt.Errorf("plan: line %d: %w", p.n, err)
	}
	return &p.plan, nil
}

type parser struct {
	lines *bufio.Reader
	n     int // of the line last read
	plan  Plan
	seen  map[string]bool // repository:tag
}

func malformed(format string, args ...any) error {
	return fmt.Errorf("%w: "+format, append([]any{ErrMalformed}, args...)...)
}

// next returns a line without its end, io.EOF after the last one.
func (p *parser) next() (string, error) {
	p.n++
	text, err := p.lines.ReadSlice('\n')
	switch {
	case errors.Is(err, io.EOF) && len(text) > 0:
		return "", malformed("the last line has no end: the file was cut off")
	case err != nil:
		return "", err
	}
	return strings.TrimSuffix(strings.TrimSuffix(string(text), "\n"), "\r"), nil // an editor may have put the CR there
}

func (p *parser) parse() error {
	first, err := p.next()
	if err == nil && first+"\n" == header {
		p.plan.Store, err = p.next()
	} else if err == nil || errors.Is(err, io.EOF) {
		return malformed("the first line is not that of a plan that this modferry knows")
	}
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	store, ok := strings.CutPrefix(p.plan.Store, "store ")
	if !ok || store == "" {
		return malformed("the second line does not name the store")
	}
	p.plan.Store = store
	for {
		text, err := p.next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err == nil {
			err = p.line(text)
		}
		if err != nil {
			return err
		}
	}
}

func (p *parser) line(text string) error {
	removal, isRemoval := strings.CutPrefix(text, "remove ")
	companion, isCompanion := strings.CutPrefix(text, "  with ")
	switch {
	case strings.TrimSpace(text) == "", strings.HasPrefix(text, "#"):
		return nil
	case isRemoval:
		return p.removal(strings.SplitN(removal, " ", 4))
	case isCompanion:
		return p.companion(strings.Split(companion, " "))
	}
	return malformed("it begins with none of: remove, \"  with\", #")
}

func (p *parser) removal(words []string) error {
	if len(words) != 4 {
		return malformed("it is not: remove REPOSITORY:TAG DIGEST SIZE REASON")
	}
	repo, tag, _ := strings.Cut(words[0], ":")
	size, err := strconv.ParseInt(words[2], 10, 64)
	if err != nil || size < 0 {
		return malformed("%.30q is not a size", words[2])
	}
	if _, _, ok := artifact.ParseTag(tag); !ok {
		return malformed("%.150q is not the tag of a module version", tag)
	}
	if _, err := artifact.ModulePath(repo); err != nil && !errors.Is(err, artifact.ErrLongName) {
		return malformed("%w", err)
	}
	r := Removal{Repository: repo, Tag: tag, Digest: digest.Digest(words[1]), Size: size, Reason: words[3]}
	if err := p.once(repo, tag, r.Digest); err != nil {
		return err
	}
	p.plan.Removals = append(p.plan.Removals, r)
	return nil
}

func (p *parser) companion(words []string) error {
	if len(words) != 2 {
		return malformed("it is not: with TAG DIGEST")
	}
	n := len(p.plan.Removals)
	if n == 0 {
		return malformed("there is no version above it")
	}
	r := &p.plan.Removals[n-1]
	c := Companion{Tag: words[0], Digest: digest.Digest(words[1])}
	if !r.belongs(c.Tag) {
		return malformed("%.150q does not belong to %s, which is above it: who takes a version out of a plan "+
			"takes out what goes with it", c.Tag, r.Tag)
	}
	if err := p.once(r.Repository, c.Tag, c.Digest); err != nil {
		return err
	}
	r.With = append(r.With, c)
	return nil
}

// once checks what both kinds of lines have.
func (p *parser) once(repo, tag string, d digest.Digest) error {
	if d.Validate() != nil || d.Algorithm() != digest.SHA256 {
		return malformed("%.80q is not a SHA-256 digest", d)
	}
	if p.seen[repo+":"+tag] {
		return malformed("%s:%s is there twice", repo, tag)
	}
	p.seen[repo+":"+tag] = true
	return nil
}

// belongs reports whether a tag can go with the version: its evidence, a revision, or a signature of it or of one of
// those. Which version a revision means, the store tells.
func (r *Removal) belongs(tag string) bool {
	version, _, _ := artifact.ParseTag(r.Tag)
	if v, ok := artifact.ParseEvidenceTag(tag); ok {
		return v == version
	}
	if artifact.IsRevisionTag(tag) || isAbout(tag, r.Digest) {
		return true
	}
	for _, c := range r.With {
		if isAbout(tag, c.Digest) {
			return true
		}
	}
	return false
}
