package load

import (
	"context"
	"encoding/binary"
	"fmt"
	"math/big"

	"golang.org/x/mod/module"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/modferry/modferry/artifact/sumdb"
)

// The keys of a world's log.
const (
	privateKey = "PRIVATE+KEY+sums.corp.example/log+00a5d04b+AX9HwGUL2KwOG2uJXXCsI/FqUhAX3EIE6OxIS5pBLc1S"
	publicKey  = "sums.corp.example/log+00a5d04b+AWu2uqZLnNDO8EVlxeJzFYb76TZ1Q1NUpgShtbgBykqa"
)

// A tree is a log whose records are scattered over it, as those of a store are over the public one. What nobody in the store
// has is made up: hashes that are the hashes of nothing.
type tree struct {
	size, versions int64
	record         func(i int64) []byte
	inverse        int64         // of stride, modulo size
	upper          [][]tlog.Hash // by level, from level 8 of the log upwards
}

// stride, a prime, scatters versions over the log.
const stride = 49_979_687

func newTree(size, versions int64, record func(i int64) []byte) (tree, error) {
	t := tree{size: size, versions: versions, record: record}
	inverse := new(big.Int).ModInverse(big.NewInt(stride), big.NewInt(size))
	if size%sumdb.TileWidth != 0 || size > 1<<31 || versions > size || inverse == nil { // products fit into 64 bits
		return t, fmt.Errorf("a log of %d records with %d versions cannot be made", size, versions)
	}
	t.inverse = inverse.Int64()
	for n := range size / sumdb.TileWidth {
		t.add(0, t.root(n))
	}
	return t, nil
}

// position returns the ID of the record of the i-th version.
func (t *tree) position(i int64) int64 { return i * stride % t.size }

// at returns which version has the record with an ID; it is none of those that there are if nobody made up one for it.
func (t *tree) at(id int64) int64 { return id * t.inverse % t.size }

// leaves returns the hashes in the n-th tile at level 0, and whether one of them is of a version's record.
func (t *tree) leaves(n int64) (hashes [sumdb.TileWidth]tlog.Hash, some bool) {
	for j := range hashes {
		id := n*sumdb.TileWidth + int64(j)
		if i := t.at(id); i < t.versions {
			hashes[j], some = tlog.RecordHash(t.record(i)), true
			continue
		}
		binary.BigEndian.PutUint64(hashes[j][:], uint64(id))
	}
	return hashes, some
}

// tile returns the n-th tile at level 0.
func (t *tree) tile(n int64) []byte {
	hashes, _ := t.leaves(n)
	data := make([]byte, 0, sumdb.TileSize)
	for _, h := range hashes {
		data = append(data, h[:]...)
	}
	return data
}

// root returns the hash of the n-th tile at level 0.
func (t *tree) root(n int64) tlog.Hash {
	hashes, some := t.leaves(n)
	if !some {
		return hashes[0]
	}
	level := hashes[:]
	for ; len(level) > 1; level = level[:len(level)/2] {
		for j := range len(level) / 2 {
			level[j] = tlog.NodeHash(level[2*j], level[2*j+1])
		}
	}
	return level[0]
}

func (t *tree) add(level int, h tlog.Hash) {
	if level == len(t.upper) {
		t.upper = append(t.upper, nil)
	}
	t.upper[level] = append(t.upper[level], h)
	if n := len(t.upper[level]); n%2 == 0 {
		t.add(level+1, tlog.NodeHash(t.upper[level][n-2], h))
	}
}

// ReadHashes makes what is above level 8 a tlog.HashReader, whose level 0 that is.
func (t *tree) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	hashes := make([]tlog.Hash, len(indexes))
	for i, x := range indexes {
		level, n := tlog.SplitStoredHashIndex(x)
		if level >= len(t.upper) || n >= int64(len(t.upper[level])) {
			return nil, fmt.Errorf("hash %d at level %d is not in the log", n, level+sumdb.TileHeight)
		}
		hashes[i] = t.upper[level][n]
	}
	return hashes, nil
}

// Snapshot makes the snapshot of the log, and the index of the tiles that versions have.
func (w *World) Snapshot(ctx context.Context) (*sumdb.Snapshot, map[int64]module.Version, error) {
	root, err := tlog.TreeHash(w.tree.size/sumdb.TileWidth, &w.tree)
	if err != nil {
		return nil, nil, err
	}
	signer, err := note.NewSigner(privateKey)
	if err != nil {
		return nil, nil, err
	}
	head, err := note.Sign(&note.Note{Text: string(tlog.FormatTree(tlog.Tree{N: w.tree.size, Hash: root}))}, signer)
	if err != nil {
		return nil, nil, err
	}
	fetch := func(_ context.Context, t tlog.Tile) ([]byte, error) {
		if t.L == 0 {
			return w.tree.tile(t.N), nil
		}
		t.L--
		return tlog.ReadTileData(t, &w.tree)
	}
	snapshot, err := sumdb.Build(ctx, w.Log, head, fetch, sumdb.BuildOptions{})
	tiles := make(map[int64]module.Version)
	for i := range w.Size {
		tiles[w.tree.position(int64(i))>>sumdb.TileHeight] = w.Version(i)
	}
	return snapshot, tiles, err
}
