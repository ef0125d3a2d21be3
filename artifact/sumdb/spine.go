package sumdb

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// A PartFunc reads len(p) bytes at off of a blob that was read before. It may be called concurrently, and for as long as
// the snapshot is in use. What it reads is checked here.
type PartFunc func(d ocispec.Descriptor, p []byte, off int64) error

// A spine is the hashes at tile level 1. Whole chunks of it, which begin with whole tiles, may be kept elsewhere.
type spine struct {
	size int64  // bytes
	held []byte // what follows the chunks that are kept elsewhere

	// Those chunks, the SHA-256 of each tile in them, which is checked sooner than its hash in the tree, how to read a part
	// of one, and how to read one that is not what it was.
	apart []ocispec.Descriptor
	sums  [][sha256.Size]byte
	part  PartFunc
	read  BlobFunc
}

var errApart = errors.New("the spine of this checksum snapshot is not in memory")

// all returns the spine, if it is in memory.
func (s *spine) all() ([]byte, error) {
	if len(s.apart) > 0 {
		return nil, errApart
	}
	return s.held, nil
}

// tile returns the widest version of the tile n at level 1.
func (s *spine) tile(n int64) ([]byte, error) {
	start := n * TileSize
	if first := int64(len(s.apart)) * ChunkSize; start >= first {
		return s.held[start-first : min(start+TileSize, s.size)-first], nil
	}
	d, off := s.apart[start/ChunkSize], start%ChunkSize
	data := make([]byte, TileSize)
	if err := s.part(d, data, off); err == nil && sha256.Sum256(data) == s.sums[n] {
		return data, nil
	}
	blob, err := readBlob(context.Background(), s.read, d)
	if err != nil { // which says nothing about any version
		return nil, fmt.Errorf("reading the checksum snapshot again: %v", err)
	}
	return blob[off:][:TileSize], nil
}

// sumTiles returns the SHA-256 of each tile of a chunk.
func sumTiles(chunk []byte) (sums [][sha256.Size]byte) {
	for ; len(chunk) >= TileSize; chunk = chunk[TileSize:] {
		sums = append(sums, sha256.Sum256(chunk[:TileSize]))
	}
	return sums
}
