// Package inflate decompresses DEFLATE (RFC 1951). It is for summing module zips, which is most of what a shim and a mirror
// compute: on them it takes half the time of github.com/klauspost/compress. It reads 8 bytes at once where that reads one,
// decodes into a flat buffer, and has one table for each alphabet, with the extra bits in its entries.
//
// The design is that of libdeflate (https://github.com/ebiggers/libdeflate), whose comments explain it well. What is
// accepted is exactly what compress/flate accepts, with the same result.
package inflate

import (
	"encoding/binary"
	"errors"
	"io"
)

// ErrCorrupt: the data is no DEFLATE stream.
var ErrCorrupt = errors.New("inflate: corrupt data")

const (
	windowSize = 32 << 10 // how far back a match reaches
	maxMatch   = 258
	outSlack   = maxMatch + 16 // that one turn of the loop may write: literals, a match, and up to 7 bytes too much
	inSlack    = 1 << 10       // that a block's header may take without a look at what there is; zeros after the end
	turnBytes  = 16            // that one turn of the loop may take
)

// A Reader decompresses. It takes about 110 KiB. Use [Reader.Reset] before the first Read.
type Reader struct {
	src io.Reader
	err error // met already; what was decoded before it is delivered first

	in          [32<<10 + inSlack]byte
	inPos       int // of what is neither decoded nor in bits
	inEnd       int // of what was read
	inLimit     int // inEnd, or after the last byte that end of the zeros behind it
	bits        uint64
	bitCount    uint // at least as many bits are valid; those above are what follows, or zero
	atEOF       bool
	final       bool // the block is the last
	inBlock     bool // tables are those of a block that goes on
	storedLeft  int  // bytes of a stored block
	tablesFixed bool // tables are those of the fixed codes

	out     [2*windowSize + outSlack]byte
	outPos  int // of the next byte to decode
	readPos int // of the next byte to deliver

	litLen  [litLenTable]uint32
	dist    [distTable]uint32
	precode [1 << precodeBits]uint32
	lengths [maxLitLen + maxDist + maxRepeat]uint8
}

// Reset makes r read what src delivers, as if it were new.
func (r *Reader) Reset(src io.Reader) {
	r.src, r.err = src, nil
	r.inPos, r.inEnd, r.inLimit, r.bits, r.bitCount, r.atEOF = 0, 0, 0, 0, 0, false
	r.final, r.inBlock, r.storedLeft = false, false, 0
	r.outPos, r.readPos = 0, 0
}

// Read implements io.Reader. Errors are [ErrCorrupt], io.ErrUnexpectedEOF, and those of the source.
func (r *Reader) Read(p []byte) (int, error) {
	for r.readPos == r.outPos && r.err == nil {
		// What was delivered may still be referred to.
		if r.outPos > len(r.out)-outSlack {
			copy(r.out[:windowSize], r.out[r.outPos-windowSize:r.outPos])
			r.outPos, r.readPos = windowSize, windowSize
		}
		if r.err = r.decode(); r.err != nil && r.overrun() {
			r.err = io.ErrUnexpectedEOF
		}
	}
	n := copy(p, r.out[r.readPos:r.outPos])
	r.readPos += n
	if n > 0 || len(p) == 0 {
		return n, nil
	}
	return 0, r.err
}

// overrun reports whether zeros after the end were taken for data.
func (r *Reader) overrun() bool { return r.atEOF && r.inPos-int(r.bitCount/8) > r.inEnd }

// fill reads so that there are inSlack bytes, or all there are with zeros behind them.
func (r *Reader) fill() error {
	if r.atEOF || r.inEnd-r.inPos >= inSlack {
		return nil
	}
	r.unread()
	r.inEnd = copy(r.in[:], r.in[r.inPos:r.inEnd])
	r.inPos = 0
	n, err := io.ReadAtLeast(r.src, r.in[r.inEnd:len(r.in)-inSlack], inSlack)
	r.inEnd += n
	r.inLimit = r.inEnd
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		r.atEOF, err = true, nil
		r.inLimit += inSlack
		clear(r.in[r.inEnd:r.inLimit])
	}
	return err
}

// decode decodes at least one byte, unless it returns an error or a block is over.
func (r *Reader) decode() error {
	if err := r.fill(); err != nil {
		return err
	}
	switch {
	case r.storedLeft > 0:
		return r.copyStored()
	case r.inBlock:
		return r.decodeSymbols()
	case r.final:
		return io.EOF
	}
	return r.beginBlock()
}

// take returns the next n bits, at most 32. There have to be that many in the buffer.
func (r *Reader) take(n uint) uint {
	if r.bitCount < n {
		r.refill()
	}
	v := uint(r.bits & (1<<n - 1))
	r.bits >>= n
	r.bitCount -= n
	return v
}

// unread gives whole bytes in bits back.
func (r *Reader) unread() {
	r.inPos -= int(r.bitCount / 8)
	r.bitCount %= 8
	r.bits &= 1<<r.bitCount - 1
}

// refill makes bits valid, 56 of them or more.
func (r *Reader) refill() {
	r.bits |= binary.LittleEndian.Uint64(r.in[r.inPos:]) << (r.bitCount & 63)
	r.inPos += int((63 - r.bitCount) >> 3)
	r.bitCount |= 56
}

// beginBlock reads the header of a block.
func (r *Reader) beginBlock() error {
	r.final = r.take(1) == 1
	switch r.take(2) {
	case 0:
		return r.beginStored()
	case 1:
		r.inBlock = true
		r.useFixed()
		return nil
	case 2:
		r.inBlock = true
		return r.readCodes()
	}
	return ErrCorrupt
}

func (r *Reader) beginStored() error {
	r.unread()
	r.bits, r.bitCount = 0, 0 // the rest of the byte
	if r.overrun() {
		return io.ErrUnexpectedEOF
	}
	n := binary.LittleEndian.Uint16(r.in[r.inPos:])
	complement := binary.LittleEndian.Uint16(r.in[r.inPos+2:])
	r.inPos += 4
	if n != ^complement {
		return ErrCorrupt
	}
	if r.overrun() {
		return io.ErrUnexpectedEOF
	}
	r.storedLeft = int(n)
	return nil
}

func (r *Reader) copyStored() error {
	if r.inPos == r.inEnd {
		return io.ErrUnexpectedEOF
	}
	n := copy(r.out[r.outPos:], r.in[r.inPos:min(r.inEnd, r.inPos+r.storedLeft)])
	r.outPos += n
	r.inPos += n
	r.storedLeft -= n
	return nil
}

// decodeSymbols decodes until the block is over, there is no room, or more has to be read. It is long, and has
// what refill does in it twice, so that the compiler keeps its state in registers.
func (r *Reader) decodeSymbols() error {
	in, out, litLen, dist := &r.in, &r.out, &r.litLen, &r.dist
	inPos, outPos, bits, bitCount := r.inPos, r.outPos, r.bits, r.bitCount
	limit := r.inLimit - turnBytes
	var err error
loop:
	for outPos <= len(out)-outSlack {
		if inPos > limit {
			if r.atEOF {
				err = io.ErrUnexpectedEOF
			}
			break
		}
		bits |= binary.LittleEndian.Uint64(in[inPos:inPos+8]) << (bitCount & 63)
		inPos += int((63 - bitCount) >> 3)
		bitCount |= 56
		e := litLen[bits&(1<<litLenBits-1)]
		if e&isLiteral != 0 {
			out[outPos] = byte(e >> valueShift)
			outPos++
			bits >>= e & 63
			bitCount -= uint(e & 63)
			if e = litLen[bits&(1<<litLenBits-1)]; e&isLiteral != 0 {
				out[outPos] = byte(e >> valueShift)
				outPos++
				bits >>= e & 63
				bitCount -= uint(e & 63)
				if e = litLen[bits&(1<<litLenBits-1)]; e&isLiteral != 0 {
					out[outPos] = byte(e >> valueShift)
					outPos++
					bits >>= e & 63
					bitCount -= uint(e & 63)
					continue
				}
			}
		}
		if e&isSpecial != 0 {
			if e&isSubtable != 0 {
				bits >>= litLenBits
				bitCount -= litLenBits
				e = litLen[(e>>valueShift)+uint32(bits)&(1<<(e>>8&15)-1)]
				if e&isLiteral != 0 {
					out[outPos] = byte(e >> valueShift)
					outPos++
					bits >>= e & 63
					bitCount -= uint(e & 63)
					continue
				}
			}
			if e&isSpecial != 0 {
				if e&isEnd == 0 {
					err = ErrCorrupt
					break
				}
				bits >>= e & 63
				bitCount -= uint(e & 63)
				r.inBlock = false
				break
			}
		}
		length := int(e>>valueShift) + int(bits&(1<<(e&63)-1)>>(e>>8&15))
		bits >>= e & 63
		bitCount -= uint(e & 63)

		bits |= binary.LittleEndian.Uint64(in[inPos:inPos+8]) << (bitCount & 63)
		inPos += int((63 - bitCount) >> 3)
		bitCount |= 56
		e = dist[bits&(1<<distBits-1)]
		if e&isSpecial != 0 {
			if e&isSubtable == 0 {
				err = ErrCorrupt
				break
			}
			bits >>= distBits
			bitCount -= distBits
			if e = dist[(e>>valueShift)+uint32(bits)&(1<<(e>>8&15)-1)]; e&isSpecial != 0 {
				err = ErrCorrupt
				break
			}
		}
		distance := int(e>>valueShift) + int(bits&(1<<(e&63)-1)>>(e>>8&15))
		bits >>= e & 63
		bitCount -= uint(e & 63)

		from := outPos - distance
		if from < 0 {
			err = ErrCorrupt
			break loop
		}
		end := outPos + length
		if distance >= 8 {
			for outPos < end {
				binary.LittleEndian.PutUint64(out[outPos:outPos+8], binary.LittleEndian.Uint64(out[from:from+8]))
				outPos += 8
				from += 8
			}
			outPos = end
			continue
		}
		for outPos < end {
			out[outPos] = out[from]
			outPos++
			from++
		}
	}
	r.inPos, r.outPos, r.bits, r.bitCount = inPos, outPos, bits, bitCount
	return err
}
