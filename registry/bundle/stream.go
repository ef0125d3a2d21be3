package bundle

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"

	"github.com/modferry/modferry/artifact"
	"github.com/modferry/modferry/registry"
	"github.com/modferry/modferry/registry/bundle/ustar"
)

// Of what is kept of a pipe, small files are in memory as long as there is room.
const (
	smallFile   = 64 << 10
	smallMemory = 16 << 20
)

// OpenPipe opens a volume that is a tar read from r, such as standard input. What its items need is kept from when it
// comes until it is released. The name is for errors.
func OpenPipe(name string, r io.Reader, o Options) (*Volume, error) {
	var opened opening
	in := ustar.Reader{Reader: r}
	if err := opened.readTar(tarReader{in}); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	temp, err := os.MkdirTemp(o.TempDir, "modferry-bundle-*")
	if err != nil {
		return nil, fmt.Errorf("making room for what comes: %w", err)
	}
	v := newVolume(name, o, opened)
	p := &pipe{r: in, needed: v.needed, temp: temp, kept: make(map[Sum]kept)}
	opened.lines.each(func(f File) { p.ahead = append(p.ahead, f) })
	v.from = p
	return v, nil
}

// pipe is a tar that can only be read from its beginning to its end.
type pipe struct {
	needed func(File) bool
	temp   string // directory

	mu     sync.Mutex
	r      ustar.Reader
	ahead  []File // not read yet
	kept   map[Sum]kept
	memory int64
	broken error // why nothing more can be read
	after  error // what is wrong with the end
}

// kept is a file that was read: in memory, in the directory, or damaged.
type kept struct {
	data []byte
	err  error
}

// open reads on until f has come.
func (p *pipe) open(ctx context.Context, f File) (io.ReadCloser, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for {
		k, there := p.kept[f.Digest]
		switch {
		case there && k.err != nil:
			return nil, k.err
		case there && k.data != nil:
			return io.NopCloser(bytes.NewReader(k.data)), nil
		case there:
			return os.Open(p.file(f))
		case p.broken != nil:
			return nil, p.broken
		case len(p.ahead) == 0 || !p.needed(f):
			return nil, fmt.Errorf("%s was released: %w", f.name(), registry.ErrUnsupported)
		case ctx.Err() != nil:
			return nil, context.Cause(ctx)
		}
		p.next()
	}
}

func (p *pipe) file(f File) string { return filepath.Join(p.temp, f.Digest.hex()) }

// next reads the next file. If it is damaged, the one after it can still be read: it is known where that begins.
func (p *pipe) next() {
	f := p.ahead[0]
	p.ahead = p.ahead[1:]
	block, err := p.r.Block()
	if err != nil {
		p.broken = err
		return
	}
	damage := ustar.Check(block, f.name(), f.Size)
	content := &counter{r: io.LimitReader(p.r, f.Size)}
	switch {
	case damage != nil:
		p.kept[f.Digest] = kept{err: damage}
	case p.needed(f):
		p.kept[f.Digest] = p.keep(f, content)
	}
	if _, err := io.Copy(io.Discard, content); err != nil {
		p.broken = err
	} else if content.n < f.Size {
		p.broken = ustar.CutOff(io.EOF)
	} else if p.broken = p.r.Finish(f.Size); p.broken == nil && len(p.ahead) == 0 {
		p.after = p.r.End()
	}
}

// keep stores what is needed later.
func (p *pipe) keep(f File, content io.Reader) kept {
	if f.Size <= smallFile && p.memory+f.Size <= smallMemory {
		data, err := readSmall(content, f)
		if err != nil {
			return kept{err: err}
		}
		p.memory += f.Size
		return kept{data: data}
	}
	return kept{err: writeFile(p.file(f), f, content)}
}

// drop forgets a file.
func (p *pipe) drop(f File) {
	p.mu.Lock()
	defer p.mu.Unlock()
	k, there := p.kept[f.Digest]
	switch {
	case !there || k.err != nil:
	case k.data != nil:
		p.memory -= f.Size
		delete(p.kept, f.Digest)
	default:
		os.Remove(p.file(f))
		delete(p.kept, f.Digest)
	}
}

// close returns what was wrong with the end, if that was reached.
func (p *pipe) close() error { return errors.Join(p.after, os.RemoveAll(p.temp)) }

// writeFile writes a file that holds f, and nothing if the content is not f's.
func writeFile(path string, f File, content io.Reader) error {
	out, err := os.Create(path)
	if err != nil {
		return err
	}
	err = errors.Join(copyFile(out, content, f), out.Close())
	if err != nil {
		os.Remove(path)
	}
	return err
}

// copyFile copies the content of f, and checks it.
func copyFile(to io.Writer, from io.Reader, f File) error {
	hash := sha256.New()
	n, err := io.Copy(to, io.TeeReader(from, hash))
	switch {
	case err != nil:
		return err
	case n != f.Size:
		return fmt.Errorf("%w: %s has %d bytes, not %d", artifact.ErrCorrupt, f.name(), n, f.Size)
	case Sum(hash.Sum(nil)) != f.Digest:
		return fmt.Errorf("%w: the content of %s is another one", artifact.ErrCorrupt, f.name())
	}
	return nil
}
