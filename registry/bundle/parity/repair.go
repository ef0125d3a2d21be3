package parity

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
)

// ErrBeyondRepair: more is lost than the parity makes up for.
var ErrBeyondRepair = errors.New("too much is lost")

// Damage says what a volume has lost.
type Damage struct {
	Lost   []int // blocks, ascending
	Blocks int   // that there are
	Bytes  int64 // in the blocks that are lost, at most
	Longer bool  // something comes after the end
}

// None reports whether the volume is whole.
func (d Damage) None() bool { return len(d.Lost) == 0 && !d.Longer }

// Check reads a volume of size bytes, or what is left of it. What cannot be read counts as lost; the error is ctx's.
func (s *Sidecar) Check(ctx context.Context, volume io.ReaderAt, size int64) (Damage, error) {
	return s.copy(ctx, volume, size, nil)
}

// copy checks a volume and writes it, but for what cannot be read, to where it belongs in another file, unless that is
// nil. What was lost is to be written over.
func (s *Sidecar) copy(ctx context.Context, volume io.ReaderAt, size int64, into *os.File) (Damage, error) {
	d := Damage{Blocks: s.blocks, Longer: size > s.size}
	b := newBlockReader(s.geometry, volume)
	var fault error
	write := func(piece []byte, at int64) {
		if into != nil && fault == nil {
			_, fault = into.WriteAt(piece, at)
		}
	}
	for i := range s.blocks {
		sum, err := b.sum(ctx, i, write)
		switch {
		case ctx.Err() != nil:
			return d, context.Cause(ctx)
		case fault != nil:
			return d, fault
		case err != nil || !holds(s.sums, i, sum):
			d.Lost = append(d.Lost, i)
			d.Bytes += min(s.block, s.size-int64(i)*s.block)
		}
	}
	return d, nil
}

// Repair writes a volume of size bytes, or what is left of it, to a new file, with what is lost computed, and returns
// what that was. The error matches ErrBeyondRepair, and what is in the file then is of no use.
func (s *Sidecar) Repair(ctx context.Context, volume io.ReaderAt, size int64, into *os.File) (Damage, error) {
	d, err := s.copy(ctx, volume, size, into)
	if err == nil && len(d.Lost) > len(s.records) {
		err = fmt.Errorf("%w: %d of the volume's %d blocks, and %d of %d that make up for that", ErrBeyondRepair,
			len(d.Lost), s.blocks, s.parity-len(s.records), s.parity)
	}
	if err == nil {
		err = into.Truncate(s.size)
	}
	if err == nil && len(d.Lost) > 0 {
		err = s.compute(ctx, d.Lost, into)
	}
	if err == nil {
		err = s.confirm(into)
	}
	if err != nil {
		return d, fmt.Errorf("repairing by parity: %w", err)
	}
	return d, nil
}

// compute computes the lost blocks of a file that has the others, a strip of all at a time.
func (s *Sidecar) compute(ctx context.Context, lost []int, file *os.File) error {
	code, err := newCode(s.geometry)
	if err != nil {
		return err
	}
	buffers := newShards(s.blocks+s.parity, s.strip())
	missing := make(map[int]bool, len(lost))
	for _, i := range lost {
		missing[i] = true
	}
	shards := make([][]byte, len(buffers))
	for at := int64(0); at < s.block; at += s.strip() {
		n := min(s.strip(), s.block-at)
		for i := range shards {
			shards[i] = buffers[i][:n]
			if err := s.fill(ctx, file, i, at, shards[i], missing[i]); errors.Is(err, errMissing) {
				shards[i] = shards[i][:0]
			} else if err != nil {
				return err
			}
		}
		if err := code.ReconstructData(shards); err != nil {
			return err
		}
		for _, i := range lost {
			from := int64(i)*s.block + at
			if n := min(n, s.size-from); n > 0 {
				if _, err := file.WriteAt(shards[i][:n], from); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

var errMissing = errors.New("missing")

// fill reads a strip of a block: of the volume, or of the computed ones, which are numbered after those.
func (s *Sidecar) fill(ctx context.Context, file *os.File, i int, at int64, strip []byte, missing bool) error {
	if i < s.blocks {
		if missing {
			return errMissing
		}
		return readAt(ctx, file, strip, int64(i)*s.block+at, s.size)
	}
	payload, ok := s.records[i-s.blocks]
	if !ok {
		return errMissing
	}
	return readAt(ctx, s.file, strip, payload+at, payload+s.block)
}

// confirm checks the repaired volume as a whole: the sums of blocks are short.
func (s *Sidecar) confirm(file *os.File) error {
	sum := sha256.New()
	if _, err := io.Copy(sum, io.NewSectionReader(file, 0, s.size)); err != nil {
		return err
	}
	if [sha256.Size]byte(sum.Sum(nil)) != s.whole {
		return fmt.Errorf("%w: the result is not the volume that the parity is of", ErrBeyondRepair)
	}
	return nil
}
