// Package transfertest fills stores with all that travels between them.
package transfertest

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"testing"

	"golang.org/x/mod/module"

	"github.com/modferry/modferry/artifact"
	"github.com/modferry/modferry/artifact/artifacttest"
	"github.com/modferry/modferry/artifact/sign"
	"github.com/modferry/modferry/artifact/sumdb"
	"github.com/modferry/modferry/artifact/sumdb/sumdbtest"
	"github.com/modferry/modferry/registry"
	"github.com/modferry/modferry/registry/storetest"
	"github.com/modferry/modferry/registry/transfer"
)

// Log is a checksum database, of what modules are told to it.
type Log struct {
	*sumdb.Log
	server *sumdbtest.Server
	sums   map[module.Version]string
	newest *sumdb.Snapshot
}

// NewLog returns an empty log with a key of its own.
func NewLog(t testing.TB) *Log {
	t.Helper()
	l := &Log{sums: make(map[module.Version]string)}
	var err error
	l.server, err = sumdbtest.NewServer(l.goSum)
	check(t, err)
	t.Cleanup(l.server.Close)
	l.Log, err = sumdb.ParseLog(l.server.Public)
	check(t, err)
	return l
}

func (l *Log) goSum(path, version string) ([]byte, error) {
	return []byte(l.sums[module.Version{Path: path, Version: version}]), nil
}

// Fork makes the log forget everything, and have another past from now on.
func (l *Log) Fork() {
	l.server.Rewrite("Fork", l.goSum)
	l.newest = nil
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// Record has the log record a version, and returns the log's answer.
func (l *Log) Record(t testing.TB, m *artifact.Manifest) []byte {
	t.Helper()
	sum := cmp.Or(m.Sum, "h1:"+strings.Repeat("A", 43)+"=") // of a zip that is not here
	l.sums[m.Module] = fmt.Sprintf("%s %s %s\n%[1]s %[2]s/go.mod %[4]s\n", m.Module.Path, m.Module.Version, sum, m.GoModSum)
	answer, err := l.server.Lookup(t.Context(), m.Module)
	check(t, err)
	return answer
}

// Grow adds n records and publishes the snapshot of the log.
func (l *Log) Grow(t testing.TB, n int, s *registry.Store, signer *sign.Signer) *artifact.Image {
	t.Helper()
	head, err := l.server.Grow(t.Context(), n)
	check(t, err)
	l.newest, err = sumdb.Build(t.Context(), l.Log, head, l.server.Tile, sumdb.BuildOptions{Base: l.newest})
	check(t, err)
	image, err := l.newest.Pack()
	check(t, err)
	check(t, s.PublishSnapshot(t.Context(), image, l.Log, nil, signer))
	return image
}

// Evidence returns what leads from a version to the newest head.
func (l *Log) Evidence(t testing.TB, m *artifact.Manifest, lookup []byte) artifact.Evidence {
	t.Helper()
	e, err := l.newest.Capture(t.Context(), m.Module, lookup, l.server.Tile)
	check(t, err)
	record, err := e.Record.Format()
	check(t, err)
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
		check(t, s.PublishEvidence(t.Context(), log.Evidence(t, a.Manifest, lookup), signer))
	}
	r := artifact.Revision{Path: artifacttest.Version.Path, Name: "main", Version: artifacttest.Version.Version}
	check(t, s.PublishRevision(t.Context(), r, signer))
	if err := s.PublishIndex(t.Context(), []string{artifacttest.Version.Path}, signer); err != nil {
		t.Fatal(err)
	}
}

// Items lists what a store has, in the order in which it is copied.
func Items(t testing.TB, s *registry.Store) (list []transfer.Item) {
	t.Helper()
	for repo, err := range s.Repositories(t.Context()) {
		check(t, err)
		for tag, err := range s.Tags(t.Context(), repo) {
			check(t, err)
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
