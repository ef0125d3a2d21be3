package parity

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Share is how much of a volume may be lost, in thousandths of it, from 1 to 1000.
type Share int

// ParseShare parses a share in per cent, with at most one decimal place, as in "10%" or "2.5%".
func ParseShare(s string) (Share, error) {
	digits, ok := strings.CutSuffix(s, "%")
	percent, err := strconv.ParseFloat(digits, 64)
	thousandths := math.Round(percent * 10)
	plain := ok && err == nil && strings.Trim(digits, "0123456789.") == ""
	if !plain || thousandths < 1 || thousandths > 1000 || math.Abs(thousandths-percent*10) > 1e-6 {
		return 0, fmt.Errorf("%.20q is not a share: write it like 10%% or 2.5%%, up to 100%%", s)
	}
	return Share(thousandths), nil
}

// String returns the share as ParseShare reads it.
func (s Share) String() string { return strconv.FormatFloat(float64(s)/10, 'f', -1, 64) + "%" }

const (
	// sumSize is the length of a block's sum, in bytes.
	sumSize = 8
	// maxBlocks bounds the blocks of a volume, and so what the code computes with: 2 to the 16th is its end.
	maxBlocks = 16384
	// grain is what the code wants a block to be a multiple of, in bytes.
	grain = 64
)

// geometry says how a volume is cut.
type geometry struct {
	size   int64 // of the volume
	block  int64 // bytes of a block
	blocks int   // of the volume
	parity int   // blocks that are computed
}

// geometryOf cuts a volume of at least one byte. A record's sums, of which there is one for each block, take a
// sixteenth of what a block takes: more blocks would bear more scratches, and cost more.
func geometryOf(size int64) geometry {
	n := int64(math.Sqrt(float64(size) / (16 * sumSize)))
	n = max(1, min(n, maxBlocks))
	g := geometry{size: size, block: roundUp((size+n-1)/n, grain)}
	g.blocks = int((size + g.block - 1) / g.block)
	return g
}

func roundUp(n, to int64) int64 { return (n + to - 1) / to * to }

// with adds what a share takes: a stretch of that length may begin and end within a block.
func (g geometry) with(s Share) geometry {
	g.parity = (g.blocks*int(s)+999)/1000 + 1
	return g
}

// record is the length of a record in bytes.
func (g geometry) record() int64 {
	return headerSize + int64(g.blocks)*sumSize + g.block + checksumSize
}

// payload is where the computed block is in a record.
func (g geometry) payload() int64 { return headerSize + int64(g.blocks)*sumSize }

// strip is how many bytes of each block are worked on at a time, for which memory has room.
func (g geometry) strip() int64 {
	s := memory / int64(g.blocks+g.parity) / grain * grain
	return max(grain, min(s, g.block))
}

// memory is what the strips of all blocks may take. The code itself takes up to four times as much.
const memory = 16 << 20
