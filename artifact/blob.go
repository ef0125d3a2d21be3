package artifact

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// A Blob is content to push.
type Blob struct {
	// Descriptor has the media type, digest and size of the content.
	Descriptor ocispec.Descriptor

	open func() (io.ReadCloser, error)
}

// NewBlob returns a blob with the given content, which must not be modified
// afterwards.
func NewBlob(mediaType string, data []byte) Blob {
	return Blob{
		Descriptor: ocispec.Descriptor{
			MediaType: mediaType,
			Digest:    digest.FromBytes(data),
			Size:      int64(len(data)),
		},
		open: func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(data)), nil },
	}
}

// Open returns a reader of the content from its beginning. It may be called
// any number of times, also concurrently. A zip layer is read from the zip
// file as it is needed; the error says so if that file is no longer the one
// the blob was made of, as far as its size tells.
func (b Blob) Open() (io.ReadCloser, error) {
	return b.open()
}

// A zipLayer is a module zip as a layer. It holds no part of the zip.
type zipLayer struct {
	file   string
	size   int64  // of the zip
	header []byte // of the tar entry
}

func newZipLayer(file, name string, size int64, mtime time.Time) (*zipLayer, error) {
	var header bytes.Buffer
	if err := tar.NewWriter(&header).WriteHeader(tarHeader(name, size, mtime)); err != nil {
		return nil, fmt.Errorf("tar entry %s: %w", name, err)
	}
	return &zipLayer{file: file, size: size, header: header.Bytes()}, nil
}

// tarSize returns the size of the layer before framing.
func (l *zipLayer) tarSize() int64 {
	return int64(len(l.header)) + l.size + l.padding()
}

// padding returns the number of zeros that follow the zip.
func (l *zipLayer) padding() int64 {
	return (tarBlock-l.size%tarBlock)%tarBlock + tarEnd
}

// tar returns the layer before framing. Closing it closes the zip file.
func (l *zipLayer) tar() (io.Reader, io.Closer, error) {
	f, err := os.Open(l.file)
	if err != nil {
		return nil, nil, err
	}
	st, err := f.Stat()
	if err == nil && st.Size() != l.size {
		err = fmt.Errorf("module zip %s changed while it was being packaged: %d bytes instead of %d", l.file, st.Size(), l.size)
	}
	if err != nil {
		f.Close()
		return nil, nil, err
	}
	zeros := make([]byte, l.padding())
	return io.MultiReader(bytes.NewReader(l.header), io.LimitReader(f, l.size), bytes.NewReader(zeros)), f, nil
}

// open returns the layer as it is stored.
func (l *zipLayer) open() (io.ReadCloser, error) {
	r, c, err := l.tar()
	if err != nil {
		return nil, err
	}
	return struct {
		io.Reader
		io.Closer
	}{newFramer(r, l.tarSize()), c}, nil
}

// blob reads the zip once, for the digests of the layer and of its tar.
func (l *zipLayer) blob() (b Blob, diffID digest.Digest, err error) {
	r, c, err := l.tar()
	if err != nil {
		return Blob{}, "", err
	}
	defer c.Close()
	stored, plain := sha256.New(), sha256.New()
	n, err := io.CopyBuffer(stored, newFramer(io.TeeReader(r, plain), l.tarSize()), make([]byte, 64<<10))
	if err != nil {
		return Blob{}, "", fmt.Errorf("reading module zip: %w", err)
	}
	b = Blob{
		Descriptor: ocispec.Descriptor{
			MediaType: ocispec.MediaTypeImageLayerGzip,
			Digest:    digest.NewDigest(digest.SHA256, stored),
			Size:      n,
		},
		open: l.open,
	}
	return b, digest.NewDigest(digest.SHA256, plain), nil
}

// readBlob returns the content of a blob that is known to be small.
func readBlob(b Blob) ([]byte, error) {
	r, err := b.Open()
	if err != nil {
		return nil, err
	}
	defer r.Close()
	return io.ReadAll(r)
}
