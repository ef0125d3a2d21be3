package bundle

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"

	"github.com/modferry/modferry/artifact"
	"github.com/modferry/modferry/registry"
)

// piece copies a file from the store. What is wrong with the store's is an *ItemError.
func (w *writer) piece(ctx context.Context, to io.Writer, i *Item, p piece) error {
	r, err := w.open(ctx, i.Repository, p)
	if err != nil {
		return itemError(i.Repository, i.Tag(), err)
	}
	defer r.Close()
	hash := sha256.New()
	left := p.Size
	for {
		n, err := r.Read(w.buf)
		if left -= int64(n); left < 0 {
			return itemError(i.Repository, i.Tag(), fmt.Errorf("%w: it has more than %d bytes", artifact.ErrCorrupt, p.Size))
		}
		hash.Write(w.buf[:n])
		if _, err := to.Write(w.buf[:n]); err != nil {
			return err
		}
		if w.Progress != nil {
			w.Progress(int64(n))
		}
		switch {
		case errors.Is(err, io.EOF) && Sum(hash.Sum(nil)) == p.Digest && left == 0:
			return nil
		case errors.Is(err, io.EOF):
			err = fmt.Errorf("%w: the content of %s is another one", artifact.ErrCorrupt, p.Digest)
		}
		if err != nil {
			return itemError(i.Repository, i.Tag(), err)
		}
	}
}

// open opens what a piece is read from. It is verified by who reads it.
func (w *writer) open(ctx context.Context, repo string, p piece) (io.ReadCloser, error) {
	if list, ok := w.lists[p.Digest]; ok {
		return io.NopCloser(bytes.NewReader(list)), nil
	}
	if p.manifest {
		_, raw, err := w.store.Manifest(ctx, repo, p.Digest.String())
		return io.NopCloser(bytes.NewReader(raw)), err
	}
	r := &download{
		at:   p.at,
		open: func() (io.ReadCloser, error) { return w.store.Backend.Blob(ctx, repo, descriptor(p.of)) },
	}
	if p.Digest == p.of.Digest {
		return r, r.reopen() // a whole blob is read to its end, wherever that is
	}
	return struct {
		io.Reader
		io.Closer
	}{io.LimitReader(r, p.Size), r}, r.reopen()
}

// attempts is how often a download is begun.
const attempts = 3

var errGivenUp = fmt.Errorf("%w: the download broke off %d times", registry.ErrUnavailable, attempts)

// A download is a blob that is read on where it broke off: of what is written already nothing can be taken back.
type download struct {
	open  func() (io.ReadCloser, error)
	at    int64
	begun int
	now   io.ReadCloser
}

// reopen begins once more, and passes over what has been read.
func (d *download) reopen() error {
	if d.Close(); d.begun == attempts {
		return errGivenUp
	}
	d.begun++
	r, err := d.open()
	if errors.Is(err, registry.ErrNotFound) {
		return fmt.Errorf("%w: a blob is missing: %v", artifact.ErrCorrupt, err)
	}
	if err != nil {
		return err
	}
	d.now = r
	if _, err = io.CopyN(io.Discard, r, d.at); err != nil {
		d.Close()
	}
	return err
}

// Read reads on where a broken download ended, until there were too many.
func (d *download) Read(p []byte) (int, error) {
	n, err := d.now.Read(p)
	d.at += int64(n)
	for broken := err; isBroken(err); {
		if err = d.reopen(); errors.Is(err, errGivenUp) {
			err = fmt.Errorf("%w: %w", err, broken)
			break
		}
	}
	return n, err
}

func isBroken(err error) bool {
	return errors.Is(err, registry.ErrUnavailable) || errors.Is(err, io.ErrUnexpectedEOF)
}

// Close ends the download that is under way, if one is.
func (d *download) Close() error {
	if d.now == nil {
		return nil
	}
	now := d.now
	d.now = nil
	return now.Close()
}
