package artifact

import (
	"archive/tar"
	"bufio"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"sync"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// A layerReader reads the tar inside a layer, checks the layer against its
// descriptor, and bounds what comes out of decompression.
type layerReader struct {
	*tar.Reader
	plain   io.Reader // what the tar is read from
	src     *blobReader
	buffers *layerBuffers
}

// layerBuffers are what reading a layer takes and the next one can use again.
type layerBuffers struct {
	src  *bufio.Reader
	gzip gzip.Reader
	copy [32 << 10]byte
}

var layerPool = sync.Pool{New: func() any { return &layerBuffers{src: bufio.NewReaderSize(nil, 32<<10)} }}

// newLayerReader reads the layer described by d, gzipped or plain. More than limit bytes after decompression are
// ErrLimit. Without an error the caller has to close the reader.
func newLayerReader(layer io.Reader, d ocispec.Descriptor, limit int64) (*layerReader, error) {
	src := &blobReader{src: layer, want: d, hash: sha256.New()}
	l := &layerReader{src: src, buffers: layerPool.Get().(*layerBuffers)}
	l.buffers.src.Reset(src)
	l.plain = l.buffers.src
	if magic, _ := l.buffers.src.Peek(2); string(magic) == gzipHeader[:2] {
		if err := l.buffers.gzip.Reset(l.plain); err != nil {
			l.close()
			return nil, l.fault(err)
		}
		l.plain = &l.buffers.gzip
	}
	l.plain = &limitedReader{src: l.plain, left: limit}
	l.Reader = tar.NewReader(l.plain)
	return l, nil
}

func (l *layerReader) close() {
	l.buffers.src.Reset(nil)
	layerPool.Put(l.buffers)
	l.buffers = nil
}

// finish reads the rest of the layer, where nothing but zeros may follow the last entry, and checks size and digest.
func (l *layerReader) finish() error {
	if err := readZeros(l.plain, l.buffers.copy[:]); err != nil {
		return l.fault(err)
	}
	return l.src.verify()
}

// readZeros reads, by way of buf, what follows the last entry of a tar to its end. Anything but zeros is ErrCorrupt.
func readZeros(r io.Reader, buf []byte) error {
	for {
		n, err := r.Read(buf)
		switch {
		case len(bytes.Trim(buf[:n], "\x00")) > 0:
			return fmt.Errorf("%w: data after the end of the tar", ErrCorrupt)
		case err == io.EOF:
			return nil
		case err != nil:
			return err
		}
	}
}

// fault classifies an error met while reading: one of the source is passed on, every other is a matter of the content.
func (l *layerReader) fault(err error) error {
	switch {
	case l.src.err != nil:
		return l.src.err
	case errors.Is(err, ErrLimit), errors.Is(err, ErrCorrupt):
		return err
	case err == io.EOF:
		err = io.ErrUnexpectedEOF
	}
	return fmt.Errorf("%w: %w", ErrCorrupt, err)
}

// A blobReader hashes a blob while it is read, and never reads much more of it than it should have.
type blobReader struct {
	src  io.Reader
	want ocispec.Descriptor
	hash hash.Hash
	size int64
	err  error // what reading src failed with, if not with io.EOF
}

// Read implements io.Reader.
func (b *blobReader) Read(p []byte) (int, error) {
	if b.size > b.want.Size {
		return 0, b.mismatch()
	}
	p = p[:min(int64(len(p)), b.want.Size-b.size+1)]
	n, err := b.src.Read(p)
	b.size += int64(n)
	b.hash.Write(p[:n])
	if err != nil && err != io.EOF {
		b.err = err
	}
	return n, err
}

// verify is called at the end of the blob.
func (b *blobReader) verify() error {
	if b.size != b.want.Size || digest.NewDigest(digest.SHA256, b.hash) != b.want.Digest {
		return b.mismatch()
	}
	return nil
}

func (b *blobReader) mismatch() error {
	return fmt.Errorf("%w: blob does not match its digest %s and size %d", ErrCorrupt, b.want.Digest, b.want.Size)
}

// A limitedReader fails, unlike an io.LimitedReader, when there is more than the limit.
type limitedReader struct {
	src  io.Reader
	left int64
}

// Read implements io.Reader.
func (l *limitedReader) Read(p []byte) (int, error) {
	n, err := l.src.Read(p[:min(int64(len(p)), l.left+1)])
	l.left -= int64(n)
	if l.left < 0 {
		l.left = 0
		return 0, fmt.Errorf("layer after decompression: %w", ErrLimit)
	}
	return n, err
}
