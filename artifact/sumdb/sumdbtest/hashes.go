// Package sumdbtest has checksum databases for tests: one in memory, and one that is asked over HTTP.
package sumdbtest

import (
	"context"
	"fmt"
	"testing"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// The keys of a log in memory, fixed so that tests see the same bytes each time.
const (
	Signer   = "PRIVATE+KEY+sums.corp.example/log+00a5d04b+AX9HwGUL2KwOG2uJXXCsI/FqUhAX3EIE6OxIS5pBLc1S"
	Verifier = "sums.corp.example/log+00a5d04b+AWu2uqZLnNDO8EVlxeJzFYb76TZ1Q1NUpgShtbgBykqa"
)

// Hashes are those of a log in memory, by level. The zero value is an empty log.
type Hashes [][]tlog.Hash

// Size returns the number of records.
func (l Hashes) Size() int64 {
	if len(l) == 0 {
		return 0
	}
	return int64(len(l[0]))
}

// Append adds a record.
func (l *Hashes) Append(text []byte) { l.add(0, tlog.RecordHash(text)) }

func (l *Hashes) add(level int, h tlog.Hash) {
	if level == len(*l) {
		*l = append(*l, nil)
	}
	(*l)[level] = append((*l)[level], h)
	if n := len((*l)[level]); n%2 == 0 {
		l.add(level+1, tlog.NodeHash((*l)[level][n-2], h))
	}
}

// ReadHashes makes the log a tlog.HashReader.
func (l Hashes) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	hashes := make([]tlog.Hash, len(indexes))
	for i, x := range indexes {
		level, n := tlog.SplitStoredHashIndex(x)
		if level >= len(l) || n >= int64(len(l[level])) {
			return nil, fmt.Errorf("hash %d at level %d is not in the log", n, level)
		}
		hashes[i] = l[level][n]
	}
	return hashes, nil
}

// Tile is a sumdb.TileFunc.
func (l Hashes) Tile(_ context.Context, t tlog.Tile) ([]byte, error) { return tlog.ReadTileData(t, l) }

// Note returns the head of the first n records, signed by [Signer].
func (l Hashes) Note(tb testing.TB, n int64) []byte {
	tb.Helper()
	return l.SignedBy(tb, Signer, n)
}

// SignedBy returns the head of the first n records, signed by a private key.
func (l Hashes) SignedBy(tb testing.TB, private string, n int64) []byte {
	tb.Helper()
	hash, err := tlog.TreeHash(n, l)
	if err != nil {
		tb.Fatal(err)
	}
	return sign(tb, private, string(tlog.FormatTree(tlog.Tree{N: n, Hash: hash})))
}

// Sign returns a note with a text, signed by [Signer].
func Sign(tb testing.TB, text string) []byte {
	tb.Helper()
	return sign(tb, Signer, text)
}

func sign(tb testing.TB, private, text string) []byte {
	tb.Helper()
	signer, err := note.NewSigner(private)
	if err != nil {
		tb.Fatal(err)
	}
	msg, err := note.Sign(&note.Note{Text: text}, signer)
	if err != nil {
		tb.Fatal(err)
	}
	return msg
}
