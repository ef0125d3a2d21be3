package inflate

import "math/bits"

// Sizes of the alphabets and of the tables to decode them. A table has a part that is indexed by the next bits of the
// input, as many as its name says, and subtables for codes that are longer; the sizes are the largest there can be.
const (
	maxLitLen   = 288
	maxDist     = 32
	maxRepeat   = 138 // of a code length
	maxCode     = 15  // bits
	precodeBits = 7
	litLenBits  = 10
	distBits    = 8
	litLenTable = 1334
	distTable   = 402
)

// An entry of a table is what the bits that led to it mean:
//
//	literal         1<<31 | byte<<16                          | bits of the code
//	length or dist  value<<16        | bits of the code << 8  | bits of the code and of the extra bits
//	end of block    special | end                             | bits of the code
//	subtable        special | subtable | index<<16 | bits of the subtable's index << 8
//	no code         special
//
// In a subtable the bits of the code are those that its index has.
const (
	isLiteral  = 1 << 31
	isSpecial  = 1 << 15
	isSubtable = 1 << 14
	isEnd      = 1 << 13
	valueShift = 16
)

// Value of a length or distance code, and number of its extra bits.
var (
	lengthBase  = [...]uint16{3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 15, 17, 19, 23, 27, 31, 35, 43, 51, 59, 67, 83, 99, 115, 131, 163, 195, 227, 258}
	lengthExtra = [...]uint8{0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0}
	distBase    = [...]uint16{
		1, 2, 3, 4, 5, 7, 9, 13, 17, 25, 33, 49, 65, 97, 129, 193, 257, 385, 513, 769, 1025, 1537, 2049, 3073, 4097, 6145,
		8193, 12289, 16385, 24577,
	}
	distExtra    = [...]uint8{0, 0, 0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8, 8, 9, 9, 10, 10, 11, 11, 12, 12, 13, 13}
	precodeOrder = [...]uint8{16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15}
)

// Entries of symbols whose codes have no bits as yet.
var litLenEntries, distEntries, precodeEntries = symbolEntries()

func symbolEntries() (litLen [maxLitLen]uint32, dist [maxDist]uint32, precode [len(precodeOrder)]uint32) {
	for i := range litLen {
		switch length := i - 257; {
		case length < -1:
			litLen[i] = isLiteral | uint32(i)<<valueShift
		case length < 0:
			litLen[i] = isSpecial | isEnd
		case length < len(lengthBase):
			litLen[i] = uint32(lengthBase[length])<<valueShift | uint32(lengthExtra[length])
		default:
			litLen[i] = isSpecial
		}
	}
	for i := range dist {
		dist[i] = isSpecial
		if i < len(distBase) {
			dist[i] = uint32(distBase[i])<<valueShift | uint32(distExtra[i])
		}
	}
	for i := range precode {
		precode[i] = uint32(i) << valueShift
	}
	return litLen, dist, precode
}

// readCodes reads the codes of a block that has its own.
func (r *Reader) readCodes() error {
	litLens, dists, precodes := int(r.take(5))+257, int(r.take(5))+1, int(r.take(4))+4
	if litLens > 286 || dists > 30 {
		return ErrCorrupt
	}
	lengths := r.lengths[:len(precodeOrder)]
	clear(lengths)
	for _, symbol := range precodeOrder[:precodes] {
		lengths[symbol] = uint8(r.take(3))
	}
	if !build(r.precode[:], precodeBits, lengths, precodeEntries[:]) {
		return ErrCorrupt
	}
	n := litLens + dists
	for i := 0; i < n; {
		if r.bitCount < precodeBits+7 {
			r.refill()
		}
		e := r.precode[r.bits&(1<<precodeBits-1)]
		if e&isSpecial != 0 {
			return ErrCorrupt
		}
		r.bits >>= e & 63
		r.bitCount -= uint(e & 63)
		symbol, value, repeat := e>>valueShift, uint8(0), 0
		switch symbol {
		case 16:
			if i == 0 {
				return ErrCorrupt
			}
			value, repeat = r.lengths[i-1], 3+int(r.take(2))
		case 17:
			repeat = 3 + int(r.take(3))
		case 18:
			repeat = 11 + int(r.take(7))
		default:
			r.lengths[i] = uint8(symbol)
			i++
			continue
		}
		if i+repeat > n {
			return ErrCorrupt
		}
		for range repeat {
			r.lengths[i] = value
			i++
		}
	}
	r.tablesFixed = false
	if !build(r.litLen[:], litLenBits, r.lengths[:litLens], litLenEntries[:]) ||
		!build(r.dist[:], distBits, r.lengths[litLens:n], distEntries[:]) {
		return ErrCorrupt
	}
	return nil
}

// useFixed makes the tables those of the fixed codes.
func (r *Reader) useFixed() {
	if r.tablesFixed {
		return
	}
	r.tablesFixed = true
	for i := range maxLitLen {
		switch {
		case i < 144:
			r.lengths[i] = 8
		case i < 256:
			r.lengths[i] = 9
		case i < 280:
			r.lengths[i] = 7
		default:
			r.lengths[i] = 8
		}
	}
	build(r.litLen[:], litLenBits, r.lengths[:maxLitLen], litLenEntries[:])
	for i := range maxDist {
		r.lengths[i] = 5
	}
	build(r.dist[:], distBits, r.lengths[:maxDist], distEntries[:])
}

// build makes the table of a code, given the length of each symbol's code word (0 = none) and the symbols' entries. It
// returns false if that is no code that compress/flate accepts: complete, or of one word with one bit, or empty.
func build(table []uint32, rootBits int, lengths []uint8, entries []uint32) bool {
	var count [maxCode + 1]int
	for _, n := range lengths {
		count[n]++
	}
	left, used := 1, len(lengths)-count[0]
	var next [maxCode + 2]int
	for n := 1; n <= maxCode; n++ {
		if left = left<<1 - count[n]; left < 0 {
			return false
		}
		next[n+1] = next[n] + count[n]
	}
	var sorted [maxLitLen]uint16 // by length
	for symbol, n := range lengths {
		if n > 0 {
			sorted[next[n]] = uint16(symbol)
			next[n]++
		}
	}
	if left > 0 {
		for i := range table[:1<<rootBits] {
			table[i] = isSpecial
		}
		if used == 1 && count[1] == 1 {
			e := withLength(entries[sorted[0]], 1)
			for i := 0; i < 1<<rootBits; i += 2 {
				table[i] = e
			}
		}
		return used == 0 || used == 1 && count[1] == 1
	}
	fill(table, rootBits, &count, sorted[:used], entries)
	return true
}

// withLength adds the length of its code to the entry of a symbol.
func withLength(e uint32, n int) uint32 { return e + uint32(n)<<8 + uint32(n) }

// fill fills the table of a complete code whose symbols are sorted by length.
func fill(table []uint32, rootBits int, count *[maxCode + 1]int, sorted []uint16, entries []uint32) {
	word, n := 0, 1 // the code word, its first bit lowest, and its length
	size := 2       // of what is filled of the first part; all of it is repeated for each further bit
	subtable, subtableEnd, prefix := 0, 1<<rootBits, -1
	for _, symbol := range sorted {
		for count[n] == 0 {
			if n++; n <= rootBits {
				copy(table[size:2*size], table[:size])
				size *= 2
			}
		}
		count[n]--
		if n <= rootBits {
			table[word] = withLength(entries[symbol], n)
		} else {
			if p := word & (1<<rootBits - 1); p != prefix {
				prefix, subtable = p, subtableEnd
				indexBits := n - rootBits
				for space := count[n] + 1; space < 1<<indexBits; space = space<<1 + count[rootBits+indexBits] {
					indexBits++
				}
				subtableEnd = subtable + 1<<indexBits
				table[prefix] = isSpecial | isSubtable | uint32(subtable)<<valueShift | uint32(indexBits)<<8
			}
			e := withLength(entries[symbol], n-rootBits)
			for i := subtable + word>>rootBits; i < subtableEnd; i += 1 << (n - rootBits) {
				table[i] = e
			}
		}
		// The next word is the next number if the first bit is taken for the highest one.
		if rest := word ^ (1<<n - 1); rest != 0 {
			bit := 1 << (bits.Len(uint(rest)) - 1)
			word = word&(bit-1) | bit
		}
	}
	for ; size < 1<<rootBits; size *= 2 {
		copy(table[size:2*size], table[:size])
	}
}
