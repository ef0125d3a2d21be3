// Package ustar writes and reads tars of regular files in which every block that is no content is determined: by the
// name and the size of a file and by the sizes of those before it. A reader who knows the files knows where each is, and
// takes nothing else in its place: no other name, no link, no sparse file, no header of another kind.
//
//	tar   = { block content padding } end     block: of USTAR, mode 0444, no owner, time 0
//	end   = two blocks of zeros
package ustar

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/modferry/modferry/artifact"
)

// Sizes, in bytes.
const (
	BlockSize = 512
	EndSize   = 2 * BlockSize // of what is after the last file
	MaxFile   = 8<<30 - 1     // of a file: what a header can say
)

// ErrEntry: a tar is not one that this package writes. It is artifact.ErrCorrupt.
var ErrEntry = fmt.Errorf("not a tar as modferry writes it: %w", artifact.ErrCorrupt)

// Size returns what a file of some size takes in a tar.
func Size(size int64) int64 { return BlockSize + padded(size) }

func padded(size int64) int64 { return (size + BlockSize - 1) / BlockSize * BlockSize }

// header returns the block before a file.
func header(name string, size int64) ([]byte, error) {
	var block bytes.Buffer
	err := tar.NewWriter(&block).WriteHeader(&tar.Header{
		Typeflag: tar.TypeReg, Name: name, Size: size, Mode: 0o444, ModTime: time.Unix(0, 0), Format: tar.FormatUSTAR,
	})
	return block.Bytes(), err
}

// Check returns an error unless block is that before a file.
func Check(block []byte, name string, size int64) error {
	if want, err := header(name, size); err != nil || !bytes.Equal(block, want) {
		return fmt.Errorf("%w: %s", ErrEntry, describe(block, name))
	}
	return nil
}

// describe says what a block is that is not the header of a file.
func describe(block []byte, name string) string {
	h, err := tar.NewReader(bytes.NewReader(block)).Next()
	if h == nil || err != nil {
		return fmt.Sprintf("in the place of the header of %s is something else", name)
	}
	return fmt.Sprintf("in the place of %s is %.100q, type %q, %d bytes", name, h.Name, h.Typeflag, h.Size)
}

// A Writer writes a tar: Begin, the content, and Finish for each file, and then End.
type Writer struct{ io.Writer }

// Begin writes what is before a file.
func (w Writer) Begin(name string, size int64) error {
	block, err := header(name, size)
	if err == nil {
		_, err = w.Write(block)
	}
	return err
}

// Finish writes what is after a file.
func (w Writer) Finish(size int64) error {
	_, err := w.Write(make([]byte, padded(size)-size))
	return err
}

// End writes what is after the last file.
func (w Writer) End() error {
	_, err := w.Write(make([]byte, EndSize))
	return err
}

// A Reader reads a tar from its beginning to its end.
type Reader struct{ io.Reader }

// Block reads a block.
func (r Reader) Block() ([]byte, error) {
	block := make([]byte, BlockSize)
	_, err := io.ReadFull(r, block)
	return block, CutOff(err)
}

// CutOff says what an early end means.
func CutOff(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("%w: the tar is cut off", artifact.ErrCorrupt)
	}
	return err
}

// Begin reads the header of a file that is known.
func (r Reader) Begin(name string, size int64) error {
	block, err := r.Block()
	if err != nil {
		return err
	}
	return Check(block, name, size)
}

// Next reads the header of a file, whose name it accepts; what is for errors.
func (r Reader) Next(what string, accept func(name string) bool) (name string, size int64, err error) {
	block, err := r.Block()
	if err != nil {
		return "", 0, err
	}
	name = strings.TrimRight(string(block[:100]), "\x00")
	size, err = strconv.ParseInt(strings.TrimRight(string(block[124:136]), "\x00 "), 8, 64)
	if err != nil || !accept(name) {
		return "", 0, fmt.Errorf("%w: %s", ErrEntry, describe(block, what))
	}
	return name, size, Check(block, name, size)
}

// Finish reads what is after a file.
func (r Reader) Finish(size int64) error {
	_, err := io.CopyN(io.Discard, r, padded(size)-size)
	return CutOff(err)
}

// End reads what is after the last file, and sees that nothing follows.
func (r Reader) End() error {
	end := make([]byte, EndSize)
	if _, err := io.ReadFull(r, end); err != nil {
		return CutOff(err)
	}
	if !bytes.Equal(end, make([]byte, EndSize)) {
		return fmt.Errorf("%w: there is more in it than was to be expected", ErrEntry)
	}
	if n, err := io.ReadFull(r, make([]byte, 1)); n > 0 || !errors.Is(err, io.EOF) {
		return errors.Join(fmt.Errorf("%w: something comes after its end", ErrEntry), err)
	}
	return nil
}
