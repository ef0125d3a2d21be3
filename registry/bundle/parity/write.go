package parity

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"

	"github.com/klauspost/reedsolomon"
)

// Extension is what a sidecar's name has after that of its volume.
const Extension = ".parity"

// Size returns the size of the sidecar that Write writes, in bytes.
func Size(volume int64, s Share) int64 {
	g := geometryOf(volume).with(s)
	return int64(g.parity) * g.record()
}

// Write writes the sidecar of a volume of size bytes, at least one, that bears the loss of a share of it. The volume
// is read through once, and once more in strips from all over it. Equal volumes have equal sidecars. Some 60 MB of
// memory are used for volumes of any size.
func Write(ctx context.Context, volume io.ReaderAt, size int64, s Share, sidecar io.WriterAt) error {
	if size <= 0 || s < 1 || s > 1000 {
		return fmt.Errorf("parity of %d bytes for a share of %s", size, s)
	}
	w := writer{geometry: geometryOf(size).with(s), volume: volume, sidecar: sidecar}
	err := w.begin(ctx)
	if err == nil {
		err = w.compute(ctx)
	}
	if err != nil {
		return fmt.Errorf("writing parity: %w", err)
	}
	return nil
}

// writer is one call of Write.
type writer struct {
	geometry
	volume  io.ReaderAt
	sidecar io.WriterAt
	sums    []hash.Hash // of the records as far as they are written
}

// begin reads the volume and writes what each record begins with.
func (w *writer) begin(ctx context.Context) error {
	sums := make([]byte, 0, w.blocks*sumSize)
	whole := sha256.New()
	b := newBlockReader(w.geometry, w.volume)
	for i := range w.blocks {
		sum, err := b.sum(ctx, i, func(piece []byte, _ int64) { whole.Write(piece) })
		if err != nil {
			return err
		}
		sums = append(sums, sum...)
	}
	for i := range w.parity {
		h := header{size: w.size, parity: w.parity, index: i, volume: [sha256.Size]byte(whole.Sum(nil))}
		head := append(h.marshal(), sums...)
		if _, err := w.sidecar.WriteAt(head, int64(i)*w.record()); err != nil {
			return err
		}
		sum := sha256.New()
		sum.Write(head)
		w.sums = append(w.sums, sum)
	}
	return nil
}

// compute computes the payloads, a strip of all at a time, and ends the records.
func (w *writer) compute(ctx context.Context) error {
	code, err := newCode(w.geometry)
	if err != nil {
		return err
	}
	shards := newShards(w.blocks+w.parity, w.strip())
	for at := int64(0); at < w.block; at += w.strip() {
		n := min(w.strip(), w.block-at)
		for i := range shards {
			shards[i] = shards[i][:n]
		}
		for i, shard := range shards[:w.blocks] {
			if err := readAt(ctx, w.volume, shard, int64(i)*w.block+at, w.size); err != nil {
				return err
			}
		}
		if err := code.Encode(shards); err != nil {
			return err
		}
		for i, shard := range shards[w.blocks:] {
			w.sums[i].Write(shard)
			if _, err := w.sidecar.WriteAt(shard, int64(i)*w.record()+w.payload()+at); err != nil {
				return err
			}
		}
	}
	for i, sum := range w.sums {
		if _, err := w.sidecar.WriteAt(sum.Sum(nil), int64(i+1)*w.record()-checksumSize); err != nil {
			return err
		}
	}
	return nil
}

// newCode returns the code over the blocks of a volume. Leopard's, over a field of 2 to the 16th, takes as many as
// there are.
func newCode(g geometry) (reedsolomon.Encoder, error) {
	return reedsolomon.New(g.blocks, g.parity, reedsolomon.WithLeopardGF16(true))
}

// newShards returns n slices of size bytes.
func newShards(n int, size int64) [][]byte {
	all, shards := make([]byte, int64(n)*size), make([][]byte, n)
	for i := range shards {
		shards[i] = all[int64(i)*size : int64(i+1)*size : int64(i+1)*size]
	}
	return shards
}

// readAt fills p from an offset. What is beyond the volume's size is zeros; what is missing before it is
// io.ErrUnexpectedEOF.
func readAt(ctx context.Context, volume io.ReaderAt, p []byte, at, size int64) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	inside := p[:max(0, min(int64(len(p)), size-at))]
	clear(p[len(inside):])
	if len(inside) == 0 {
		return nil
	}
	n, err := volume.ReadAt(inside, at)
	if n == len(inside) {
		return nil
	}
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return err
}

// blockReader reads a volume block by block, each in pieces: in a volume that only a hostile sidecar speaks of, a block
// has any size.
type blockReader struct {
	geometry
	volume io.ReaderAt
	piece  []byte
}

func newBlockReader(g geometry, volume io.ReaderAt) *blockReader {
	return &blockReader{geometry: g, volume: volume, piece: make([]byte, min(g.block, 1<<20))}
}

// sum reads a block, and returns its sum. Do is given what of it is in the volume, piece by piece, and where.
func (b *blockReader) sum(ctx context.Context, i int, do func(piece []byte, at int64)) ([]byte, error) {
	sum := sha256.New()
	for done := int64(0); done < b.block; {
		at := int64(i)*b.block + done
		piece := b.piece[:min(int64(len(b.piece)), b.block-done)]
		if err := readAt(ctx, b.volume, piece, at, b.size); err != nil {
			return nil, err
		}
		sum.Write(piece)
		if inside := min(int64(len(piece)), b.size-at); inside > 0 {
			do(piece[:inside], at)
		}
		done += int64(len(piece))
	}
	return sum.Sum(nil)[:sumSize], nil
}

// holds reports whether a block has a sum.
func holds(sums []byte, i int, sum []byte) bool {
	return bytes.Equal(sums[i*sumSize:(i+1)*sumSize], sum)
}
