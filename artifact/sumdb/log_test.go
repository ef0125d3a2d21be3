package sumdb

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"io"
	"slices"
	"sync"
	"testing"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/mod/module"

	"github.com/modferry/modferry/artifact/sumdb/sumdbtest"
)

// The keys of all test logs.
const (
	testSigner   = sumdbtest.Signer
	testVerifier = sumdbtest.Verifier
)

// A testLog is a checksum database in memory. Of its records it keeps only the
// hashes; their text follows from their ID.
type testLog struct {
	*Log
	sumdbtest.Hashes
	salt string // what tells the records of two forks apart
	fork int64  // first record with the salt
}

// newTestLog returns a log of n records, all those from fork on being other ones than in logs with another salt.
func newTestLog(tb testing.TB, n int64, salt string, fork int64) *testLog {
	tb.Helper()
	l := &testLog{salt: salt, fork: fork}
	var err error
	if l.Log, err = ParseLog(testVerifier); err != nil {
		tb.Fatal(err)
	}
	for id := range n {
		l.Append(l.record(id).Text)
	}
	return l
}

// bigLog is a log with some records more than two full tiles of level 1.
var bigLog = sync.OnceValue(func() *testLog {
	return newTestLog(new(testing.T), 2*TileWidth*TileWidth+1000, "", 0)
})

// module returns the module version that record id is about.
func (l *testLog) module(id int64) module.Version {
	switch id % 5 {
	case 1:
		return module.Version{Path: fmt.Sprintf("example.com/Upper/M%d", id), Version: "v1.2.3"}
	case 2:
		return module.Version{Path: fmt.Sprintf("example.com/old/m%d", id), Version: "v2.0.0+incompatible"}
	case 3:
		return module.Version{Path: fmt.Sprintf("example.com/pseudo/m%d", id), Version: "v0.0.0-20260102030405-0123456789ab"}
	}
	return module.Version{Path: "example.com/m", Version: fmt.Sprintf("v1.%d.0", id)}
}

// sums returns the sums of module(id).
func (l *testLog) sums(id int64) (zip, mod string) {
	salt := ""
	if id >= l.fork {
		salt = l.salt
	}
	sum := func(what string) string {
		h := sha256.Sum256(fmt.Appendf(nil, "%s %d %s", what, id, salt))
		return "h1:" + base64.StdEncoding.EncodeToString(h[:])
	}
	return sum("zip"), sum("mod")
}

func (l *testLog) record(id int64) Record {
	m := l.module(id)
	zip, mod := l.sums(id)
	return Record{ID: id, Text: fmt.Appendf(nil, "%s %s %s\n%s %s/go.mod %s\n", m.Path, m.Version, zip, m.Path, m.Version, mod)}
}

func (l *testLog) head(tb testing.TB, n int64) Head {
	tb.Helper()
	h, err := l.OpenHead(l.Note(tb, n))
	if err != nil {
		tb.Fatal(err)
	}
	return h
}

// lookup returns the log's answer to a lookup when it had n records.
func (l *testLog) lookup(tb testing.TB, id, n int64) []byte {
	tb.Helper()
	data, err := l.record(id).Format()
	if err != nil {
		tb.Fatal(err)
	}
	return append(data, l.Note(tb, n)...)
}

// build builds a snapshot at n records; it is fatal if that fails.
func (l *testLog) build(tb testing.TB, n int64, o BuildOptions) *Snapshot {
	tb.Helper()
	s, err := Build(context.Background(), l.Log, l.Note(tb, n), l.Tile, o)
	if err != nil {
		tb.Fatalf("build at %d records: %v", n, err)
	}
	return s
}

// chain builds snapshots at each of the sizes, each upon the one before.
func (l *testLog) chain(tb testing.TB, sizes ...int64) []*Snapshot {
	tb.Helper()
	var list []*Snapshot
	var base *Snapshot
	for _, n := range sizes {
		base = l.build(tb, n, BuildOptions{Base: base})
		list = append(list, base)
	}
	return list
}

// A stored is a snapshot as a registry has it.
type stored struct {
	manifest []byte
	blobs    map[string][]byte
	layers   []string // digests of config and layers
}

func store(tb testing.TB, s *Snapshot) *stored {
	tb.Helper()
	image, err := s.Pack()
	if err != nil {
		tb.Fatal(err)
	}
	st := &stored{manifest: image.Raw, blobs: make(map[string][]byte)}
	for _, b := range image.Blobs {
		r, err := b.Open()
		if err != nil {
			tb.Fatal(err)
		}
		data, err := io.ReadAll(r)
		if err != nil {
			tb.Fatal(err)
		}
		st.blobs[b.Descriptor.Digest.String()] = data
		st.layers = append(st.layers, b.Descriptor.Digest.String())
	}
	return st
}

// read is a BlobFunc.
func (st *stored) read(_ context.Context, d ocispec.Descriptor) ([]byte, error) {
	data, ok := st.blobs[d.Digest.String()]
	if !ok {
		return nil, fmt.Errorf("no blob %s", d.Digest)
	}
	return data, nil
}

func sameSnapshot(tb testing.TB, a, b *Snapshot) bool {
	tb.Helper()
	x, y := store(tb, a), store(tb, b)
	return string(x.manifest) == string(y.manifest) && slices.Equal(x.layers, y.layers)
}
