package artifact

import (
	"archive/tar"
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
	"time"
)

// Layers are tars in a gzip file (RFC 1952) of deflate's stored blocks (RFC
// 1951, section 3.2.4): image tools would compress a plain tar on its way
// and so change its digest, and the output of a real compressor changes
// between releases.
//
//	gzip  = header block* crc32 size       both of the tar, 4 bytes little-endian
//	block = final len ^len data            1, 2 and 2 bytes; only the last is final
const (
	gzipHeader   = "\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff" // no name, no time, unknown system
	maxBlock     = 65535
	tarBlock     = 512
	tarEnd       = 2 * tarBlock // zeros
	tarEntryMode = 0o644
)

// A framer reads a tar as a gzip file of stored blocks.
type framer struct {
	src     io.Reader
	left    int64  // bytes of src in blocks that have not begun
	block   int    // bytes of src left in the current block
	pending []byte // framing to deliver before more of src
	done    bool   // whether pending is the last
	crc     uint32
	size    int64
}

// newFramer returns a reader of the framed form of the n bytes that src delivers.
func newFramer(src io.Reader, n int64) *framer {
	f := &framer{src: src, left: n, size: n, pending: []byte(gzipHeader)}
	f.next()
	return f
}

// next begins the next block.
func (f *framer) next() {
	f.block = int(min(f.left, maxBlock))
	f.left -= int64(f.block)
	final := byte(0)
	if f.left == 0 {
		final = 1
	}
	f.pending = append(f.pending, final)
	f.pending = binary.LittleEndian.AppendUint16(f.pending, uint16(f.block))
	f.pending = binary.LittleEndian.AppendUint16(f.pending, ^uint16(f.block))
	if f.block == 0 {
		f.end()
	}
}

// end appends what follows the last block.
func (f *framer) end() {
	f.pending = binary.LittleEndian.AppendUint32(f.pending, f.crc)
	f.pending = binary.LittleEndian.AppendUint32(f.pending, uint32(f.size))
	f.done = true
}

// Read implements io.Reader.
func (f *framer) Read(p []byte) (int, error) {
	if len(f.pending) > 0 {
		n := copy(p, f.pending)
		f.pending = f.pending[n:]
		return n, nil
	}
	if f.done {
		return 0, io.EOF
	}
	n, err := f.src.Read(p[:min(len(p), f.block)])
	f.crc = crc32.Update(f.crc, crc32.IEEETable, p[:n])
	f.block -= n
	switch {
	case f.block > 0:
		if err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		return n, err
	case f.left > 0:
		f.next()
	default:
		f.end()
	}
	return n, nil
}

// A tarFile is an entry of a layer.
type tarFile struct {
	name string
	data []byte
}

// writeTar returns a tar of the files: USTAR where that can hold the names, PAX where not.
func writeTar(mtime time.Time, files ...tarFile) ([]byte, error) {
	var buf bytes.Buffer
	w := tar.NewWriter(&buf)
	for _, f := range files {
		if err := w.WriteHeader(tarHeader(f.name, int64(len(f.data)), mtime)); err != nil {
			return nil, fmt.Errorf("tar entry %s: %w", f.name, err)
		}
		if _, err := w.Write(f.data); err != nil {
			return nil, fmt.Errorf("tar entry %s: %w", f.name, err)
		}
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return buf.Bytes(), nil
}

func tarHeader(name string, size int64, mtime time.Time) *tar.Header {
	return &tar.Header{
		Typeflag: tar.TypeReg,
		Name:     name,
		Size:     size,
		Mode:     tarEntryMode,
		ModTime:  mtime,
	}
}
