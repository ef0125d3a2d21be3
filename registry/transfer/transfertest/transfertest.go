// Package transfertest fills stores with all that travels between them.
package transfertest

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"golang.org/x/mod/module"
	modsumdb "golang.org/x/mod/sumdb"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/modferry/modferry/artifact"
	"github.com/modferry/modferry/artifact/artifacttest"
	"github.com/modferry/modferry/artifact/sign"
	"github.com/modferry/modferry/artifact/sumdb"
	"github.com/modferry/modferry/registry"
	"github.com/modferry/modferry/registry/storetest"
	"github.com/modferry/modferry/registry/transfer"
)

// Log is a checksum database in memory, of what modules are told to it.
type Log struct {
	*sumdb.Log
	Private string // key
	server  *modsumdb.TestServer
	sums    map[module.Version]string
	newest  *sumdb.Snapshot
}

// NewLog returns an empty log with a key of its own.
func NewLog(t testing.TB) *Log {
	t.Helper()
	private, public, err := note.GenerateKey(nil, "sum.example.com")
	if err != nil {
		t.Fatal(err)
	}
	log, err := sumdb.ParseLog(public)
	if err != nil {
		t.Fatal(err)
	}
	return NewLogWithKey(log, private)
}

// NewLogWithKey returns a log that has another past than those of the same key.
func NewLogWithKey(log *sumdb.Log, private string) *Log {
	l := &Log{Log: log, Private: private, sums: make(map[module.Version]string)}
	l.server = modsumdb.NewTestServer(private, func(path, version string) ([]byte, error) {
		if lines, ok := l.sums[module.Version{Path: path, Version: version}]; ok {
			return []byte(lines), nil
		}
		return fmt.Appendf(nil, "%s %s h1:%p\n", path, version, l), nil
	})
	return l
}

func (l *Log) tile(ctx context.Context, t tlog.Tile) ([]byte, error) {
	return l.server.ReadTileData(ctx, t)
}

// Record has the log record a version, and returns the log's answer.
func (l *Log) Record(t testing.TB, m *artifact.Manifest) []byte {
	t.Helper()
	sum := cmp.Or(m.Sum, "h1:"+strings.Repeat("A", 43)+"=") // of a zip that is not here
	l.sums[m.Module] = fmt.Sprintf("%s %s %s\n%[1]s %[2]s/go.mod %[4]s\n", m.Module.Path, m.Module.Version, sum, m.GoModSum)
	id, err := l.server.Lookup(t.Context(), m.Module)
	if err != nil {
		t.Fatal(err)
	}
	records, err := l.server.ReadRecords(t.Context(), id, 1)
	if err != nil {
		t.Fatal(err)
	}
	text, err := tlog.FormatRecord(id, records[0])
	if err != nil {
		t.Fatal(err)
	}
	head, err := l.server.Signed(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return append(text, head...)
}

// Grow adds n records and publishes the snapshot of the log.
func (l *Log) Grow(t testing.TB, n int, s *registry.Store, signer *sign.Signer) *artifact.Image {
	t.Helper()
	for i := range n {
		m := module.Version{Path: "filler.example/m", Version: fmt.Sprintf("v1.%d.%d", len(l.sums), i)}
		if _, err := l.server.Lookup(t.Context(), m); err != nil {
			t.Fatal(err)
		}
		l.sums[m] = "" // so that the next ones are others
	}
	head, err := l.server.Signed(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	l.newest, err = sumdb.Build(t.Context(), l.Log, head, l.tile, sumdb.BuildOptions{Base: l.newest})
	if err != nil {
		t.Fatal(err)
	}
	image, err := l.newest.Pack()
	if err == nil {
		err = s.PublishSnapshot(t.Context(), image, l.Log, nil, signer)
	}
	if err != nil {
		t.Fatal(err)
	}
	return image
}

// Evidence returns what leads from a version to the newest head.
func (l *Log) Evidence(t testing.TB, m *artifact.Manifest, lookup []byte) artifact.Evidence {
	t.Helper()
	e, err := l.newest.Capture(t.Context(), m.Module, lookup, l.tile)
	if err != nil {
		t.Fatal(err)
	}
	record, err := e.Record.Format()
	if err != nil {
		t.Fatal(err)
	}
	files := artifact.Evidence{Module: m.Module, Record: record}
	if e.Tile != nil {
		files.Tiles = map[string][]byte{l.TileEntry(e.TileIndex()): e.Tile}
	}
	return files
}

// Everything fills a store with one item of each kind, signed: a full version whose evidence came later, and the
// mod-only form of another.
func Everything(t testing.TB, s *registry.Store, log *Log, signer *sign.Signer) {
	t.Helper()
	full, modOnly := artifacttest.FullVersion(t, artifacttest.Version, "text"), artifacttest.ModOnlyVersion(t, artifacttest.Later("v1.0.0"))
	storetest.Publish(t, s, full, signer)
	storetest.Publish(t, s, modOnly, signer)
	for _, a := range []*artifact.Artifact{full, modOnly} {
		lookup := log.Record(t, a.Manifest)
		log.Grow(t, 300, s, signer)
		if err := s.PublishEvidence(t.Context(), log.Evidence(t, a.Manifest, lookup), signer); err != nil {
			t.Fatal(err)
		}
	}
	r := artifact.Revision{Path: artifacttest.Version.Path, Name: "main", Version: artifacttest.Version.Version}
	if err := s.PublishRevision(t.Context(), r, signer); err != nil {
		t.Fatal(err)
	}
	if err := s.PublishIndex(t.Context(), []string{artifacttest.Version.Path}, signer); err != nil {
		t.Fatal(err)
	}
}

// Items lists what a store has, in the order in which it is copied.
func Items(t testing.TB, s *registry.Store) (list []transfer.Item) {
	t.Helper()
	for repo, err := range s.Repositories(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		for tag, err := range s.Tags(t.Context(), repo) {
			if err != nil {
				t.Fatal(err)
			}
			if it := (transfer.Item{Repository: repo, Tag: tag}); it.Kind() != transfer.None {
				list = append(list, it)
			}
		}
	}
	slices.SortFunc(list, transfer.Compare)
	return list
}

// Jump is Grow by a mirror that knows nothing of the snapshots before.
func (l *Log) Jump(t testing.TB, n int, s *registry.Store, signer *sign.Signer) *artifact.Image {
	t.Helper()
	l.newest = nil
	return l.Grow(t, n, s, signer)
}
