package sumdb

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/mod/sumdb/tlog"
)

// A PartFunc reads len(p) bytes at off of a blob that was read before. It may be called concurrently, and for as long as
// the snapshot is in use. What it reads is checked here.
type PartFunc func(d ocispec.Descriptor, p []byte, off int64) error

// A spine is the hashes at tile level 1. Whole chunks of it, which begin with whole tiles, may be kept elsewhere.
type spine struct {
	size int64  // bytes
	held []byte // what follows the chunks that are kept elsewhere

	// Those chunks, how to read a part of one, and how to read one that is not what it was.
	apart []ocispec.Descriptor
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

// tile returns the widest version of a tile, which is full if its hash is given.
func (s *spine) tile(n int64, hash []byte) ([]byte, error) {
	start := n * TileSize
	if first := int64(len(s.apart)) * ChunkSize; start >= first {
		return s.held[start-first : min(start+TileSize, s.size)-first], nil
	}
	d, off := s.apart[start/ChunkSize], start%ChunkSize
	data := make([]byte, TileSize)
	if err := s.part(d, data, off); err == nil {
		if got := hashTile(data); bytes.Equal(got[:], hash) {
			return data, nil
		}
	}
	blob, err := readBlob(context.Background(), s.read, d)
	if err != nil { // which says nothing about any version
		return nil, fmt.Errorf("reading the checksum snapshot again: %v", err)
	}
	return blob[off:][:TileSize], nil
}

// level1 returns the widest version of the tile n at level 1.
func (s *Snapshot) level1(n int64) ([]byte, error) {
	var hash []byte
	if end := (n + 1) * tlog.HashSize; end <= int64(len(s.levels[0])) {
		hash = s.levels[0][n*tlog.HashSize : end]
	}
	return s.spine.tile(n, hash)
}
