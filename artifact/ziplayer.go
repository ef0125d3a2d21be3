package artifact

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"strings"

	"github.com/modferry/modferry/artifact/goproxy"
)

// CheckZipLayer is [Manifest.CheckZipFile] of the zip in a zip layer, whose content the caller has found to have the
// manifest's digest and size, and keeps from changing. A layer in the framing of this package is read where it is.
// Scratch is a file, with anything in it, for what has to be one: the directory of the zip, or the zip itself out of
// a layer in any other form. The error matches [ErrCorrupt] or [ErrLimit], or is one of reading or writing.
func (m *Manifest) CheckZipLayer(layer io.ReaderAt, scratch *os.File) error {
	if m.Zip == nil {
		return fmt.Errorf("%s is stored without its zip", m.Module)
	}
	at, err := m.findZip(layer)
	if errors.Is(err, errOtherFraming) {
		to := io.NewOffsetWriter(scratch, 0)
		if err := errors.Join(scratch.Truncate(0), m.ExtractZip(to, io.NewSectionReader(layer, 0, m.Zip.Size))); err != nil {
			return err
		}
		return m.CheckZipFile(scratch.Name())
	}
	if err != nil {
		return fmt.Errorf("zip layer: %w", err)
	}
	z, err := checkZipAt(m.Module, at, scratch)
	if err != nil {
		return err
	}
	return m.checkSum(z)
}

// findZip returns the zip in a layer, as [Manifest.ExtractZip] writes it. It is errOtherFraming if that cannot be read
// in place.
func (m *Manifest) findZip(layer io.ReaderAt) (*io.SectionReader, error) {
	tree, err := goproxy.Base(m.Module)
	if err != nil {
		return nil, err
	}
	plain, err := unframe(layer, m.Zip.Size)
	if err != nil {
		return nil, err
	}
	if err := CheckSize("layer after decompression", plain.size, maxZipLayer); err != nil {
		return nil, err
	}
	r := io.NewSectionReader(plain, 0, plain.size)
	t := tar.NewReader(r)
	h, err := t.Next()
	if err != nil {
		return nil, corruptTar(err)
	}
	for record := range h.PAXRecords {
		if strings.HasPrefix(record, "GNU.sparse.") { // it has holes, which the tar does not
			return nil, errOtherFraming
		}
	}
	if !isRegular(h) || h.Name != tree+".zip" {
		return nil, fmt.Errorf("%w: unexpected entry %q", ErrCorrupt, h.Name)
	}
	if err := CheckSize("module zip", h.Size, MaxZip); err != nil {
		return nil, err
	}
	start, err := r.Seek(0, io.SeekCurrent)
	if err != nil {
		return nil, err
	}
	if more, err := t.Next(); err == nil {
		return nil, fmt.Errorf("%w: unexpected entry %q", ErrCorrupt, more.Name)
	} else if err != io.EOF {
		return nil, corruptTar(err)
	}
	if err := readZeros(r, make([]byte, maxBlock)); err != nil {
		return nil, err
	}
	return io.NewSectionReader(plain, start, h.Size), nil
}

// corruptTar marks what is wrong with a tar.
func corruptTar(err error) error {
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return fmt.Errorf("%w: %w", ErrCorrupt, err)
}

// errOtherFraming: a layer is not in the form in which [newFramer] delivers it, whatever else it may be.
var errOtherFraming = errors.New("the layer is framed in another way")

// A framed is a tar that is read in its framing.
type framed struct {
	layer io.ReaderAt
	size  int64 // of the tar
}

// unframe returns the tar in a layer of size bytes, all of which it reads to check the framing.
func unframe(layer io.ReaderAt, size int64) (framed, error) {
	const around = int64(len(gzipHeader) + gzipTrailer)
	blocks := (size - around + blockHeader + maxBlock - 1) / (blockHeader + maxBlock)
	f := framed{layer: layer, size: size - around - blocks*blockHeader}
	if f.size <= max(blocks-1, 0)*maxBlock { // nothing is left for the last block: what has its header is something else
		return f, errOtherFraming
	}
	r := io.NewSectionReader(layer, 0, size)
	buf, crc := make([]byte, blockHeader+maxBlock), uint32(0)
	next := func(n int64, want func(data []byte) []byte) error { // what begins n bytes
		b := buf[:n]
		if _, err := io.ReadFull(r, b); err != nil {
			return err
		}
		if head := want(b); !bytes.HasPrefix(b, head) {
			return errOtherFraming
		}
		return nil
	}
	err := next(int64(len(gzipHeader)), func([]byte) []byte { return []byte(gzipHeader) })
	for left := f.size; left > 0 && err == nil; {
		n := min(left, maxBlock)
		left -= n
		err = next(blockHeader+n, func(b []byte) []byte {
			crc = crc32.Update(crc, crc32.IEEETable, b[blockHeader:])
			return appendBlockHeader(nil, int(n), left == 0)
		})
	}
	if err == nil {
		err = next(gzipTrailer, func([]byte) []byte { return appendTrailer(nil, crc, f.size) })
	}
	return f, err
}

// ReadAt implements io.ReaderAt.
func (f framed) ReadAt(p []byte, off int64) (n int, err error) {
	for n < len(p) && off < f.size {
		block, from := off/maxBlock, off%maxBlock
		want := min(int64(len(p)-n), maxBlock-from, f.size-off)
		at := int64(len(gzipHeader)) + block*(blockHeader+maxBlock) + blockHeader + from
		read, err := f.layer.ReadAt(p[n:n+int(want)], at)
		n, off = n+read, off+int64(read)
		if int64(read) < want {
			return n, err
		}
	}
	if n < len(p) {
		err = io.EOF
	}
	return n, err
}
