package inventory

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/opencontainers/go-digest"

	"github.com/modferry/modferry/artifact"
)

// Limits of what is parsed.
const (
	MaxSize = 128 << 20 // bytes: some 700,000 tags as JSON, three million as text
	maxLine = 16 << 20  // bytes: a repository of 80,000 tags as JSON, 400,000 as text
)

// ErrMalformed: a file is not an inventory, or was changed or cut off on its way.
var ErrMalformed = errors.New("not an inventory")

// Inventory is what a store held when it was written down. The nil Inventory is that of a store with nothing in it.
type Inventory struct {
	repos  map[string]held
	totals totals
	sum    digest.Digest
}

type held struct {
	tags  map[string]shortTag
	blobs map[string]bool
}

// Parse reads an inventory in either form. The error matches ErrMalformed, or artifact.ErrLimit, or is r's.
func Parse(r io.Reader) (*Inventory, error) {
	limited := &io.LimitedReader{R: r, N: MaxSize + 1}
	lines := bufio.NewScanner(limited)
	lines.Buffer(make([]byte, 0, 64<<10), maxLine)
	lines.Split(wholeLines)
	inv := &Inventory{repos: make(map[string]held), totals: newTotals()}
	err := inv.parse(lines)
	switch {
	case errors.Is(lines.Err(), bufio.ErrTooLong), limited.N == 0:
		return nil, fmt.Errorf("inventory: over %d bytes, or a line of over %d: %w", MaxSize, maxLine, artifact.ErrLimit)
	case errors.Is(err, ErrMalformed):
		return nil, fmt.Errorf("inventory: line %d: %w", inv.totals.repositories+2, err)
	case err != nil:
		return nil, fmt.Errorf("inventory: %w", err)
	}
	return inv, nil
}

// wholeLines splits at newlines. What is after the last one is the rest of a line that was cut off.
func wholeLines(data []byte, atEOF bool) (advance int, line []byte, err error) {
	if i := bytes.IndexByte(data, '\n'); i >= 0 {
		return i + 1, data[:i+1], nil
	}
	if atEOF && len(data) > 0 {
		return 0, nil, malformed("the last line has no end: the file was cut off")
	}
	return 0, nil, nil
}

func (inv *Inventory) parse(lines *bufio.Scanner) error {
	next := func() string {
		lines.Scan()
		return lines.Text()
	}
	var f form
	switch next() {
	case header:
		f = textForm{}
	case `{"inventory":1}` + "\n":
		f = jsonForm{}
	default:
		if lines.Err() != nil {
			return lines.Err()
		}
		return malformed("the first line is not that of an inventory that this modferry knows")
	}
	for {
		line := next()
		switch {
		case lines.Err() != nil:
			return lines.Err()
		case line == "":
			return malformed("the end is missing: the file was cut off")
		case line == f.end(&inv.totals):
			inv.sum = inv.totals.digest()
			if next() != "" || lines.Err() != nil {
				return malformed("something comes after the end")
			}
			return nil
		}
		s, err := f.repository(line)
		if err == nil {
			err = inv.totals.add(s)
		}
		if err != nil {
			return malformed("%w", err)
		}
		inv.add(s)
	}
}

func (inv *Inventory) add(s short) {
	h := held{tags: make(map[string]shortTag, len(s.tags))}
	for _, t := range s.tags {
		h.tags[t.name] = t
	}
	for _, b := range s.blobs {
		if h.blobs == nil {
			h.blobs = make(map[string]bool)
		}
		h.blobs[b] = true
	}
	inv.repos[s.name] = h
}

// form reads the lines of one of the forms. What is not spelled as it would be written is an error.
type form interface {
	repository(line string) (short, error)
	end(*totals) string
}

type textForm struct{}

func (textForm) end(t *totals) string { return t.end() }

func (textForm) repository(line string) (s short, err error) {
	words := strings.Split(strings.TrimSuffix(line, "\n"), " ")
	s.name = strings.Clone(words[0])
	for _, word := range words[1:] {
		word = strings.Clone(word)
		if blob, ok := strings.CutPrefix(word, "#"); ok {
			s.blobs = append(s.blobs, blob)
			continue
		}
		name, digests, _ := strings.Cut(word, "=")
		digests, referrers, _ := strings.Cut(digests, "+")
		manifest, signatures, _ := strings.Cut(digests, ".")
		s.tags = append(s.tags, shortTag{name, manifest, signatures, referrers})
	}
	switch {
	case words[0] == "end" && len(s.tags) > 0 && s.tags[0].manifest == "":
		return s, errors.New("the end counts other repositories or tags: lines are missing or were added")
	case s.line() != line:
		return s, errors.New("it is not spelled as modferry does")
	}
	return s, nil
}

type jsonForm struct{}

func (jsonForm) end(t *totals) string { return spell(jsonEnd{t.repositories, t.tags}) }

func (jsonForm) repository(line string) (short, error) {
	var r Repository
	if err := json.Unmarshal([]byte(line), &r); err != nil {
		return short{}, err
	}
	for _, t := range r.Tags {
		for _, d := range []digest.Digest{t.Digest, cmp.Or(t.Signatures, t.Digest), cmp.Or(t.Referrers, t.Digest)} {
			if d.Validate() != nil {
				return short{}, fmt.Errorf("%.255q: tag %.130q with the digest %.80q", r.Name, t.Name, d)
			}
		}
	}
	for _, b := range r.Blobs {
		if b.Validate() != nil {
			return short{}, fmt.Errorf("%.255q: blob %.80q", r.Name, b)
		}
	}
	r.Path = path(r.Name)
	if spell(r) != line {
		return short{}, errors.New("it is not spelled as modferry does")
	}
	return r.short(), nil
}

func malformed(format string, args ...any) error {
	return fmt.Errorf("%w: "+format, append([]any{ErrMalformed}, args...)...)
}
