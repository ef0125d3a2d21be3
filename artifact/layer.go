package artifact

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"time"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// Layers are tars in a gzip file (RFC 1952) of deflate's stored blocks (RFC 1951, section 3.2.4): image tools would
// compress a plain tar on its way and so change its digest, and the output of a real compressor changes between
// releases.
//
//	gzip  = header block* crc32 size       both of the tar, 4 bytes little-endian
//	block = final len ^len data            1, 2 and 2 bytes; only the last is final
const (
	gzipHeader   = "\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff" // no name, no time, unknown system
	gzipTrailer  = 8
	blockHeader  = 5
	maxBlock     = 65535
	tarBlock     = 512
	tarEnd       = 2 * tarBlock // zeros
	tarEntryMode = 0o644
)

// A framer reads a tar as a gzip file of stored blocks.
type framer struct {
	src     io.Reader
	size    int64  // of the tar
	left    int64  // bytes of it that were not read yet
	pending []byte // to deliver
	done    bool   // whether pending is the last
	block   []byte // a block with its header, and room for the trailer
	crc     uint32
}

// newFramer returns a reader of the framed form of the n bytes that src delivers.
func newFramer(src io.Reader, n int64) *framer {
	return &framer{src: src, size: n, left: n, pending: []byte(gzipHeader), block: make([]byte, blockHeader+min(n, maxBlock)+gzipTrailer)}
}

// Read implements io.Reader.
func (f *framer) Read(p []byte) (int, error) {
	if len(f.pending) == 0 && f.done {
		return 0, io.EOF
	}
	if len(f.pending) == 0 {
		if err := f.frameBlock(); err != nil {
			return 0, err
		}
	}
	n := copy(p, f.pending)
	f.pending = f.pending[n:]
	return n, nil
}

// WriteTo implements io.WriterTo, so that io.Copy needs no other buffer.
func (f *framer) WriteTo(w io.Writer) (written int64, err error) {
	for {
		n, err := w.Write(f.pending)
		written += int64(n)
		f.pending = f.pending[n:]
		if err != nil || f.done {
			return written, err
		}
		if err := f.frameBlock(); err != nil {
			return written, err
		}
	}
}

func (f *framer) frameBlock() error {
	b := f.block[:blockHeader+min(f.left, maxBlock)]
	content := b[blockHeader:]
	if n, err := io.ReadFull(f.src, content); err != nil {
		if n == 0 && err == io.EOF {
			return io.ErrUnexpectedEOF
		}
		return err
	}
	f.left -= int64(len(content))
	f.crc = crc32.Update(f.crc, crc32.IEEETable, content)
	f.done = f.left == 0
	appendBlockHeader(b[:0], len(content), f.done)
	if f.done {
		b = appendTrailer(b, f.crc, f.size)
	}
	f.pending = b
	return nil
}

// appendBlockHeader appends what is before the n bytes of a block.
func appendBlockHeader(b []byte, n int, final bool) []byte {
	first := byte(0)
	if final {
		first = 1
	}
	b = binary.LittleEndian.AppendUint16(append(b, first), uint16(n))
	return binary.LittleEndian.AppendUint16(b, ^uint16(n))
}

// appendTrailer appends what is after the last block of a tar.
func appendTrailer(b []byte, crc uint32, size int64) []byte {
	return binary.LittleEndian.AppendUint32(binary.LittleEndian.AppendUint32(b, crc), uint32(size))
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
		err := w.WriteHeader(tarHeader(f.name, int64(len(f.data)), mtime))
		if err == nil {
			_, err = w.Write(f.data)
		}
		if err != nil {
			return nil, fmt.Errorf("tar entry %s: %w", f.name, err)
		}
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return buf.Bytes(), nil
}

func tarHeader(name string, size int64, mtime time.Time) *tar.Header {
	return &tar.Header{Typeflag: tar.TypeReg, Name: name, Size: size, Mode: tarEntryMode, ModTime: mtime}
}

// A packedLayer is a layer of an image, with the digest of its tar.
type packedLayer struct {
	blob   Blob
	diffID digest.Digest
}

// packLayer returns a layer of small files.
func packLayer(mtime time.Time, files []tarFile) (packedLayer, error) {
	plain, err := writeTar(mtime, files...)
	if err != nil {
		return packedLayer{}, err
	}
	var stored bytes.Buffer
	_, err = newFramer(bytes.NewReader(plain), int64(len(plain))).WriteTo(&stored)
	return packedLayer{NewBlob(ocispec.MediaTypeImageLayerGzip, stored.Bytes()), digest.FromBytes(plain)}, err
}

// A zipLayer is a module zip as a layer. It holds no part of the zip.
type zipLayer struct {
	file   string
	size   int64  // of the zip
	header []byte // of the tar entry
}

// packZipLayer returns a layer with the zip as its only entry. It reads the zip once.
func packZipLayer(file, name string, mtime time.Time) (packedLayer, error) {
	st, err := os.Stat(file)
	if err != nil {
		return packedLayer{}, err
	}
	if err := CheckSize("module zip", st.Size(), MaxZip); err != nil {
		return packedLayer{}, err
	}
	var header bytes.Buffer
	if err := tar.NewWriter(&header).WriteHeader(tarHeader(name, st.Size(), mtime)); err != nil {
		return packedLayer{}, fmt.Errorf("tar entry %s: %w", name, err)
	}
	l := zipLayer{file: file, size: st.Size(), header: header.Bytes()}
	r, size, err := l.tar()
	if err != nil {
		return packedLayer{}, err
	}
	defer r.Close()
	stored, plain := sha256.New(), sha256.New()
	n, err := io.Copy(stored, newFramer(io.TeeReader(r, plain), size))
	if err != nil {
		return packedLayer{}, fmt.Errorf("reading module zip: %w", err)
	}
	d := ocispec.Descriptor{MediaType: ocispec.MediaTypeImageLayerGzip, Digest: digest.NewDigest(digest.SHA256, stored), Size: n}
	return packedLayer{Blob{Descriptor: d, open: l.open}, digest.NewDigest(digest.SHA256, plain)}, nil
}

// tar returns the layer before framing, and its size.
func (l zipLayer) tar() (io.ReadCloser, int64, error) {
	f, err := os.Open(l.file)
	if err != nil {
		return nil, 0, err
	}
	st, err := f.Stat()
	if err == nil && st.Size() != l.size {
		err = fmt.Errorf("module zip %s changed while it was being packaged: %d bytes instead of %d", l.file, st.Size(), l.size)
	}
	if err != nil {
		f.Close()
		return nil, 0, err
	}
	zeros := make([]byte, (tarBlock-l.size%tarBlock)%tarBlock+tarEnd)
	r := io.MultiReader(bytes.NewReader(l.header), io.LimitReader(f, l.size), bytes.NewReader(zeros))
	return readCloser{r, f}, int64(len(l.header)) + l.size + int64(len(zeros)), nil
}

// open returns the layer as it is stored.
func (l zipLayer) open() (io.ReadCloser, error) {
	r, size, err := l.tar()
	if err != nil {
		return nil, err
	}
	return readCloser{newFramer(r, size), r}, nil
}

type readCloser struct {
	io.Reader
	io.Closer
}
