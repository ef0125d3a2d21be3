package bundle

import (
	"archive/tar"
	"bytes"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"
	"time"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/modferry/modferry/artifact"
)

const (
	blockSize = 512
	endSize   = 2 * blockSize
	blobsDir  = ocispec.ImageBlobsDir + "/sha256"
)

// tarSize is what a file takes in a tar.
func tarSize(size int64) int64 { return blockSize + padded(size) }

func padded(size int64) int64 { return (size + blockSize - 1) / blockSize * blockSize }

// tarHeader returns the block before a file.
func tarHeader(name string, size int64) ([]byte, error) {
	var block bytes.Buffer
	err := tar.NewWriter(&block).WriteHeader(&tar.Header{
		Typeflag: tar.TypeReg, Name: name, Size: size, Mode: 0o444, ModTime: time.Unix(0, 0), Format: tar.FormatUSTAR,
	})
	return block.Bytes(), err
}

// errTar means that a tar is not one that this package wrote. It is artifact.ErrCorrupt.
var errTar = fmt.Errorf("not a tar as modferry writes it: %w", artifact.ErrCorrupt)

// checkHeader returns an error unless block is that before a file.
func checkHeader(block []byte, name string, size int64) error {
	want, err := tarHeader(name, size)
	if err != nil {
		return err
	}
	if !bytes.Equal(block, want) {
		return fmt.Errorf("%w: %s", errTar, describeHeader(block, name))
	}
	return nil
}

// describeHeader says what a block is that is not the header of a file.
func describeHeader(block []byte, name string) string {
	h, err := tar.NewReader(bytes.NewReader(block)).Next()
	if h == nil || err != nil {
		return fmt.Sprintf("in the place of the header of %s is something else", name)
	}
	return fmt.Sprintf("in the place of %s is %.100q, type %q, %d bytes", name, h.Name, h.Typeflag, h.Size)
}

// openingFile is the form of the name of a file that only its header tells.
var openingFile = regexp.MustCompile(`^blobs/sha256/[0-9a-f]{64}$`)

// parseHeader returns name and size of one of the first files, those that no manifest has told.
func parseHeader(block []byte) (name string, size int64, err error) {
	name = strings.TrimRight(string(block[:100]), "\x00")
	digits := strings.TrimRight(string(block[124:136]), "\x00 ")
	size, err = strconv.ParseInt(digits, 8, 64)
	if err != nil || name != ocispec.ImageIndexFile && !openingFile.MatchString(name) {
		return "", 0, fmt.Errorf("%w: %s", errTar, describeHeader(block, "one of its first files"))
	}
	return name, size, checkHeader(block, name, size)
}

// tarWriter writes a tar. (That of archive/tar does not tell how large a tar will be.)
type tarWriter struct {
	to io.Writer
}

// begin writes what is before a file.
func (w tarWriter) begin(name string, size int64) error {
	block, err := tarHeader(name, size)
	if err == nil {
		_, err = w.to.Write(block)
	}
	return err
}

// finish writes what is after a file.
func (w tarWriter) finish(size int64) error {
	_, err := w.to.Write(make([]byte, padded(size)-size))
	return err
}

// end writes what is after the last file.
func (w tarWriter) end() error {
	_, err := w.to.Write(make([]byte, endSize))
	return err
}
