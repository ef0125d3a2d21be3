package inventory

import (
	"bufio"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"hash"
	"io"

	"github.com/opencontainers/go-digest"
)

// Format is one of the forms of an inventory.
type Format string

// The forms.
const (
	Text Format = "text"
	JSON Format = "json"
)

// ParseFormat parses the name of a form.
func ParseFormat(name string) (Format, error) {
	if f := Format(name); f == Text || f == JSON {
		return f, nil
	}
	return "", fmt.Errorf("%.20q is not a format: text and json are", name)
}

const header = "modferry inventory 1\n"

// jsonHeader and jsonEnd are the first and the last line of the JSON form.
type (
	jsonHeader struct {
		Inventory int `json:"inventory"`
	}
	jsonEnd struct {
		Repositories int `json:"repositories"`
		Tags         int `json:"tags"`
	}
)

// Writer writes an inventory, a repository at a time: how many there are makes no difference to its memory.
type Writer struct {
	out    *bufio.Writer
	format Format
	totals
}

// totals is what an inventory's parts add up to.
type totals struct {
	text               hash.Hash // of the text
	last               string    // repository
	repositories, tags int
}

// NewWriter returns a Writer that writes to w in a form.
func NewWriter(w io.Writer, f Format) *Writer {
	out := &Writer{out: bufio.NewWriter(w), format: f, totals: newTotals()}
	out.write(header, jsonHeader{1})
	return out
}

func newTotals() totals {
	t := totals{text: sha256.New()}
	io.WriteString(t.text, header)
	return t
}

// write writes one line in either form; out remembers an error.
func (w *Writer) write(text string, value any) {
	if w.format == Text {
		w.out.WriteString(text)
		return
	}
	w.out.WriteString(spell(value))
}

// spell returns one of the values of this package as a line of JSON.
func spell(value any) string {
	line, _ := json.Marshal(value) // which takes strings and numbers in structs
	return string(line) + "\n"
}

// Add writes a repository. They come in the order of their names.
func (w *Writer) Add(r Repository) error {
	s := r.short()
	if err := w.add(s); err != nil {
		return fmt.Errorf("inventory: %w", err)
	}
	r.Path = path(r.Name)
	w.write(s.line(), r)
	return nil
}

// add counts a repository, and checks it and its place.
func (t *totals) add(s short) error {
	if err := s.check(); err != nil {
		return err
	}
	if s.name <= t.last {
		return fmt.Errorf("%s is not in its place: repositories are sorted and each is there once", s.name)
	}
	t.last = s.name
	t.repositories++
	t.tags += len(s.tags)
	io.WriteString(t.text, s.line())
	return nil
}

// end returns the last line of the text, which is part of its digest.
func (t *totals) end() string { return fmt.Sprintf("end %d %d\n", t.repositories, t.tags) }

// Repositories returns how many repositories were added.
func (w *Writer) Repositories() int { return w.repositories }

// Tags returns how many tags they have, without those of signatures.
func (w *Writer) Tags() int { return w.tags }

// Close writes the end, and returns the inventory's digest. What it wrote to is not closed.
func (w *Writer) Close() (digest.Digest, error) {
	w.write(w.end(), jsonEnd{w.repositories, w.tags})
	return w.digest(), w.out.Flush()
}

// digest ends the text.
func (t *totals) digest() digest.Digest {
	io.WriteString(t.text, t.end())
	return digest.NewDigest(digest.SHA256, t.text)
}
