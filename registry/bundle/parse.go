package bundle

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"regexp"
	"strings"
	"unicode"

	"github.com/modferry/modferry/artifact"
	"github.com/modferry/modferry/registry/bundle/ustar"
)

// Limits on what is read of a volume beside its items' content.
const (
	maxLines = 512 << 20 // of the lines altogether: half a million items
	maxLine  = 4 << 20
	maxTotal = 1 << 50 // of a volume's files
)

// errMalformed means that the lines are not those of a bundle manifest. It is artifact.ErrCorrupt.
var errMalformed = fmt.Errorf("the bundle manifest is malformed: %w", artifact.ErrCorrupt)

// The grammar of the distribution specification, and that of media types.
var (
	repositoryName = regexp.MustCompile(`^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*$`)
	tagName        = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$`)
	mediaTypeName  = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]*/[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]*$`)
)

// lines is a bundle manifest in memory.
type lines struct {
	header
	omitted []omitted
	items   []Item
}

// parseLines reads a bundle manifest. What it returns is what [header], omitted and items say, each of which is well
// formed and agrees with the others: in particular the bundle is identified by what it says. Whether the items are what
// they are said to be is not known here. The error is artifact.ErrCorrupt or artifact.ErrLimit, or that of r.
func parseLines(r io.Reader) (*lines, error) {
	p := parser{in: bufio.NewReaderSize(r, 64<<10), names: make(map[string]string)}
	l := new(lines)
	if err := p.header(&l.header); err != nil {
		return nil, err
	}
	id := identity(&l.header)
	for range l.Omitted {
		var o omitted
		raw, err := p.line(&o)
		if err == nil {
			err = p.checkOmitted(&o)
		}
		if err != nil {
			return nil, err
		}
		id.Write(raw)
		l.omitted = append(l.omitted, o)
	}
	if Sum(id.Sum(nil)) != l.Bundle {
		return nil, fmt.Errorf("%w: it is not of the bundle that it says it is of", errMalformed)
	}
	return l, p.items(l)
}

// parser reads lines.
type parser struct {
	in    *bufio.Reader
	read  int64
	names map[string]string // names that occur often, to have them once
}

// line reads a line into value, which must be all there is in it, written as writeLine does.
func (p *parser) line(value any) (raw []byte, err error) {
	for more := true; more; {
		var piece []byte
		piece, err = p.in.ReadSlice('\n')
		raw = append(raw, piece...)
		more = errors.Is(err, bufio.ErrBufferFull)
		if len(raw) > maxLine || p.read+int64(len(raw)) > maxLines {
			return nil, fmt.Errorf("the bundle manifest: %w", artifact.ErrLimit)
		}
	}
	p.read += int64(len(raw))
	switch {
	case err == io.EOF:
		return nil, fmt.Errorf("%w: it is cut off", errMalformed)
	case err != nil:
		return nil, err
	}
	if err := json.Unmarshal(raw, value); err != nil {
		return nil, fmt.Errorf("%w: %w", errMalformed, err)
	}
	var same bytes.Buffer
	if err := writeLine(&same, value); err != nil {
		return nil, err
	}
	if !bytes.Equal(same.Bytes(), raw) {
		return nil, fmt.Errorf("%w: not as modferry writes it: %.100q", errMalformed, raw)
	}
	return raw, nil
}

func (p *parser) header(h *header) error {
	// A later format may have other members, so this one is first.
	first, _ := p.in.Peek(len(formatStart) + 20)
	text, _ := strings.CutPrefix(string(first), formatStart)
	if format, _, _ := strings.Cut(text, `"`); format != formatVersion {
		return fmt.Errorf("%w: format %q, known is %q: a newer modferry may read it", errMalformed, format, formatVersion)
	}
	if _, err := p.line(h); err != nil {
		return err
	}
	switch {
	case h.Bundle == Sum{}, h.Volume < 1, h.Volume > len(h.Volumes), h.Omitted < 0, h.Omitted > 0 && h.Base == Sum{}:
		return fmt.Errorf("%w: header", errMalformed)
	case len(h.Source) > 500 || strings.ContainsFunc(h.Source, func(r rune) bool { return !unicode.IsPrint(r) }):
		return fmt.Errorf("%w: source", errMalformed)
	}
	for _, s := range h.Volumes {
		if s.Items < 0 || s.Files < 0 || s.Size < 0 || s.Size > maxTotal || s.Digest == (Sum{}) {
			return fmt.Errorf("%w: summary of a volume", errMalformed)
		}
	}
	return nil
}

func (p *parser) checkOmitted(o *omitted) error {
	if o.Repository = p.name(o.Repository); !isRepository(o.Repository) || o.Tag == "" {
		return fmt.Errorf("%w: %.100q:%.100q is omitted", errMalformed, o.Repository, o.Tag)
	}
	return p.checkManifest(&o.Manifest)
}

func isRepository(name string) bool { return len(name) <= 255 && repositoryName.MatchString(name) }

func (p *parser) checkManifest(m *Manifest) error {
	m.MediaType = p.name(m.MediaType)
	switch {
	case m.Tag != "" && !tagName.MatchString(m.Tag):
		return fmt.Errorf("%w: tag %.100q", errMalformed, m.Tag)
	case len(m.MediaType) > 255 || !mediaTypeName.MatchString(m.MediaType):
		return fmt.Errorf("%w: media type %.100q", errMalformed, m.MediaType)
	}
	if err := m.File.check(); err != nil {
		return err
	}
	return artifact.CheckSize("manifest "+m.Digest.String(), m.Size, artifact.MaxManifest)
}

func (f File) check() error {
	if f.Digest == (Sum{}) || f.Size < 0 || f.Size > ustar.MaxFile {
		return fmt.Errorf("%w: %d bytes of the digest %q", errMalformed, f.Size, f.Digest)
	}
	return nil
}

// name returns the one copy of a name that occurs often.
func (p *parser) name(name string) string {
	if have, ok := p.names[name]; ok {
		return have
	}
	p.names[name] = name
	return name
}

// items reads the items of the volume, and sees that they are those of its summary.
func (p *parser) items(l *lines) error {
	own := l.Volumes[l.Volume-1]
	hash := sha256.New()
	c := newContents()
	for range own.Items {
		var i Item
		raw, err := p.line(&i)
		if err == nil {
			err = p.checkItem(&i, l)
		}
		if err == nil {
			err = c.add(&i, l.Volume)
		}
		if err != nil {
			return err
		}
		hash.Write(raw)
		l.items = append(l.items, i)
	}
	if _, err := p.in.ReadByte(); err != io.EOF {
		return fmt.Errorf("%w: there is more than its items", errMalformed)
	}
	if (Summary{Items: own.Items, Files: len(c.sizes), Size: c.total, Digest: Sum(hash.Sum(nil))}) != own {
		return fmt.Errorf("%w: its items are not those of volume %d of the bundle", errMalformed, l.Volume)
	}
	return nil
}

func (p *parser) checkItem(i *Item, l *lines) error {
	if i.Repository = p.name(i.Repository); !isRepository(i.Repository) || len(i.Manifests) == 0 || i.Tag() == "" {
		return fmt.Errorf("%w: item of %.100q", errMalformed, i.Repository)
	}
	for n := range i.Manifests {
		if err := p.checkManifest(&i.Manifests[n]); err != nil {
			return err
		}
	}
	for _, b := range i.Blobs {
		if err := b.check(l); err != nil {
			return fmt.Errorf("%s:%s: %w", i.Repository, i.Tag(), err)
		}
	}
	return nil
}

func (b *Blob) check(l *lines) error {
	switch {
	case b.Base && (b.Parts != nil || l.Base == Sum{}):
		return fmt.Errorf("%w: blob %s", errMalformed, b.Digest)
	case b.Parts == nil:
		return b.File.check()
	case b.Digest == Sum{}:
		return fmt.Errorf("%w: a blob without a digest", errMalformed)
	}
	left, volume := b.Size, 0
	for _, p := range b.Parts {
		if err := p.File.check(); err != nil {
			return err
		}
		if p.Volume <= volume || p.Volume > len(l.Volumes) || p.Size > left || p.Size == 0 {
			return fmt.Errorf("%w: the parts of blob %s", errMalformed, b.Digest)
		}
		left, volume = left-p.Size, p.Volume
	}
	if left != 0 {
		return fmt.Errorf("%w: the parts of blob %s are not all of it", errMalformed, b.Digest)
	}
	return nil
}

// contents are the files of a volume, each once.
type contents struct {
	sizes map[Sum]int64
	total int64
	tags  map[[2]string]Sum // manifests by repository and tag
}

func newContents() *contents {
	return &contents{sizes: make(map[Sum]int64), tags: make(map[[2]string]Sum)}
}

// add adds the files of an item in volume k. The same file has the same size everywhere, and a tag one meaning.
func (c *contents) add(i *Item, k int) (err error) {
	own := [2]string{i.Repository, i.Tag()}
	if _, twice := c.tags[own]; twice {
		return fmt.Errorf("%w: %s:%s is in it twice", errMalformed, own[0], own[1])
	}
	for _, m := range i.Manifests {
		key := [2]string{i.Repository, m.Tag}
		if have, ok := c.tags[key]; m.Tag != "" && ok && have != m.Digest {
			return fmt.Errorf("%w: %s:%s has two meanings", errMalformed, key[0], key[1])
		}
		c.tags[key] = m.Digest
	}
	i.files(k, func(f File) {
		size, there := c.sizes[f.Digest]
		switch {
		case there && size != f.Size:
			err = fmt.Errorf("%w: %s has two sizes", errMalformed, f.Digest)
		case !there && f.Size > math.MaxInt64-c.total:
			err = fmt.Errorf("%w: %s is too large", errMalformed, f.Digest)
		case !there:
			c.sizes[f.Digest], c.total = f.Size, c.total+f.Size
		}
	})
	return err
}
