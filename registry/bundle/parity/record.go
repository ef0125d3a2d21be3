package parity

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

const (
	magic        = "modferry parity1"
	checksumSize = sha256.Size
	headerSize   = 16 + 8 + sha256.Size + 4 + 4 + checksumSize
	maxVolume    = 1 << 50
)

// header is what a record begins with.
type header struct {
	size   int64             // of the volume
	volume [sha256.Size]byte // its SHA-256
	parity int               // records in the sidecar
	index  int               // of this one
}

func (h header) marshal() []byte {
	b := append(make([]byte, 0, headerSize), magic...)
	b = binary.BigEndian.AppendUint64(b, uint64(h.size))
	b = append(b, h.volume[:]...)
	b = binary.BigEndian.AppendUint32(b, uint32(h.parity))
	b = binary.BigEndian.AppendUint32(b, uint32(h.index))
	sum := sha256.Sum256(b)
	return append(b, sum[:]...)
}

// parseHeader is the reverse of marshal. What it takes is a header that Write may have written.
func parseHeader(b []byte) (h header, ok bool) {
	if len(b) != headerSize || !bytes.HasPrefix(b, []byte(magic)) {
		return h, false
	}
	f := b[len(magic):]
	h = header{
		size:   int64(binary.BigEndian.Uint64(f)),
		volume: [sha256.Size]byte(f[8:]),
		parity: int(binary.BigEndian.Uint32(f[8+sha256.Size:])),
		index:  int(binary.BigEndian.Uint32(f[12+sha256.Size:])),
	}
	if h.size < 1 || h.size > maxVolume || h.index >= h.parity || !bytes.Equal(h.marshal(), b) {
		return h, false
	}
	return h, h.parity <= geometryOf(h.size).with(1000).parity
}

// ErrUseless: there is no whole record in a sidecar.
var ErrUseless = errors.New("the parity file has no record that is whole")

// Sidecar is what is left of a sidecar.
type Sidecar struct {
	geometry
	whole   [sha256.Size]byte // SHA-256 of the volume
	sums    []byte            // of its blocks
	file    io.ReaderAt
	records map[int]int64 // of the whole records: by their index, where their payload is
}

// Open reads a sidecar of size bytes. Records that are damaged, or of another volume than the first whole one, are
// passed over; if there is no whole one, the error is ErrUseless.
func Open(ctx context.Context, file io.ReaderAt, size int64) (*Sidecar, error) {
	s := scanner{file: file, size: size, budget: 4 * size}
	if err := s.scan(ctx); err != nil {
		return nil, fmt.Errorf("reading parity: %w", err)
	}
	if s.found == nil {
		return nil, ErrUseless
	}
	return s.found, nil
}

// Records returns how many records are whole, and how many there were.
func (s *Sidecar) Records() (whole, all int) { return len(s.records), s.parity }

// scanner looks for records.
type scanner struct {
	file   io.ReaderAt
	size   int64
	budget int64 // bytes of records that may be read: a hostile sidecar could have one begin at every byte of another
	found  *Sidecar
}

// window is how much is searched at a time.
const window = 64 << 10

func (s *scanner) scan(ctx context.Context) error {
	buf := make([]byte, window)
	for at := int64(0); at < s.size; {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		n, err := s.file.ReadAt(buf[:min(window, s.size-at)], at)
		if n == 0 {
			if err != nil && !errors.Is(err, io.EOF) {
				at += 2048 // a sector that cannot be read
				continue
			}
			return nil
		}
		i := bytes.Index(buf[:n], []byte(magic))
		switch {
		case i < 0 && at+int64(n) == s.size:
			return nil
		case i < 0:
			at += max(1, int64(n-len(magic)+1))
		default:
			at += int64(i)
			length, err := s.record(ctx, at)
			if err != nil {
				return err
			}
			at += max(length, int64(len(magic)))
		}
	}
	return nil
}

// record reads what may be a record, and returns its length if it is a whole one.
func (s *scanner) record(ctx context.Context, at int64) (length int64, err error) {
	head := make([]byte, headerSize)
	if n, _ := s.file.ReadAt(head, at); n < len(head) {
		return 0, nil
	}
	h, ok := parseHeader(head)
	if !ok {
		return 0, nil
	}
	g := geometryOf(h.size)
	g.parity = h.parity
	if g.record() > s.size-at || g.record() > s.budget {
		return 0, nil
	}
	s.budget -= g.record()
	r := io.NewSectionReader(s.file, at, g.record())
	sum := sha256.New()
	sums := make([]byte, g.payload())
	if _, err := io.ReadFull(io.TeeReader(r, sum), sums); err != nil {
		return 0, nil // it cannot be read
	}
	if _, err := io.CopyN(sum, r, g.block); err != nil {
		return 0, nil
	}
	want, err := io.ReadAll(r)
	if err != nil || !bytes.Equal(want, sum.Sum(nil)) {
		return 0, nil
	}
	if ctx.Err() != nil {
		return 0, context.Cause(ctx)
	}
	sums = sums[headerSize:]
	if s.found == nil {
		s.found = &Sidecar{geometry: g, whole: h.volume, sums: sums, file: s.file, records: make(map[int]int64)}
	}
	if s.found.geometry == g && s.found.whole == h.volume && bytes.Equal(s.found.sums, sums) {
		s.found.records[h.index] = at + g.payload()
	}
	return g.record(), nil
}
