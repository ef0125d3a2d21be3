package transfer_test

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
	"golang.org/x/mod/module"
	modsumdb "golang.org/x/mod/sumdb"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
	"oras.land/oras-go/v2/registry/remote/auth"

	"github.com/modferry/modferry/artifact"
	"github.com/modferry/modferry/artifact/artifacttest"
	"github.com/modferry/modferry/artifact/sign"
	"github.com/modferry/modferry/artifact/sumdb"
	"github.com/modferry/modferry/registry"
	"github.com/modferry/modferry/registry/remote"
	"github.com/modferry/modferry/registry/remote/registrytest"
	"github.com/modferry/modferry/registry/stores"
	"github.com/modferry/modferry/registry/storetest"
	"github.com/modferry/modferry/registry/transfer"
	"github.com/modferry/modferry/registry/verify"
)

// newClient returns a client that does not wait for long.
func newClient(t testing.TB) *remote.Client {
	t.Helper()
	c, err := remote.NewClient(remote.ClientOptions{
		MinBackoff: time.Microsecond, MaxBackoff: time.Millisecond,
		Credentials: func(context.Context, string) (auth.Credential, error) { return auth.EmptyCredential, nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func open(t testing.TB, c *remote.Client, ref string) *registry.Store {
	t.Helper()
	s, err := stores.Open(c, ref)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func newLayout(t testing.TB) *registry.Store {
	return open(t, nil, "oci:"+t.TempDir()+"/store")
}

func newRegistry(t testing.TB) (*registrytest.Registry, *registry.Store) {
	t.Helper()
	reg := registrytest.New(t, registrytest.Options{})
	return reg, open(t, newClient(t), reg.Host()+"/golang")
}

// testLog is a checksum database in memory, of what modules are told to it.
type testLog struct {
	*sumdb.Log
	private string
	server  *modsumdb.TestServer
	sums    map[module.Version]string
	newest  *sumdb.Snapshot
}

func newLog(t testing.TB) *testLog {
	t.Helper()
	private, public, err := note.GenerateKey(nil, "sum.example.com")
	if err != nil {
		t.Fatal(err)
	}
	log, err := sumdb.ParseLog(public)
	if err != nil {
		t.Fatal(err)
	}
	return newLogWithKey(log, private)
}

// newLogWithKey returns a log that has another past than those of the same key.
func newLogWithKey(log *sumdb.Log, private string) *testLog {
	l := &testLog{Log: log, private: private, sums: make(map[module.Version]string)}
	l.server = modsumdb.NewTestServer(private, func(path, version string) ([]byte, error) {
		if lines, ok := l.sums[module.Version{Path: path, Version: version}]; ok {
			return []byte(lines), nil
		}
		return fmt.Appendf(nil, "%s %s h1:%p\n", path, version, l), nil
	})
	return l
}

func (l *testLog) tile(ctx context.Context, t tlog.Tile) ([]byte, error) {
	return l.server.ReadTileData(ctx, t)
}

// record has the log record a version, and returns the log's answer.
func (l *testLog) record(t testing.TB, m *artifact.Manifest) []byte {
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

// grow adds n records and publishes the snapshot of the log.
func (l *testLog) grow(t testing.TB, n int, s *registry.Store, signer *sign.Signer) *artifact.Image {
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

// evidence returns what leads from a version to the newest head.
func (l *testLog) evidence(t testing.TB, m *artifact.Manifest, lookup []byte) artifact.Evidence {
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

// everything fills a store with one item of each kind, signed: a full version whose evidence came later, and the
// mod-only form of another.
func everything(t testing.TB, s *registry.Store, log *testLog, signer *sign.Signer) {
	t.Helper()
	full, modOnly := artifacttest.FullVersion(t, artifacttest.Version, "text"), artifacttest.ModOnlyVersion(t, artifacttest.Later("v1.0.0"))
	storetest.Publish(t, s, full, signer)
	storetest.Publish(t, s, modOnly, signer)
	for _, a := range []*artifact.Artifact{full, modOnly} {
		lookup := log.record(t, a.Manifest)
		log.grow(t, 300, s, signer)
		if err := s.PublishEvidence(t.Context(), log.evidence(t, a.Manifest, lookup), signer); err != nil {
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

// items lists what a store has, in the order in which it is copied.
func items(t testing.TB, s *registry.Store) (list []transfer.Item) {
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

func newCopier(from, to *registry.Store, log *testLog, v sign.Verifier) *transfer.Copier {
	return &transfer.Copier{
		Source: from, Destination: to, Local: from.IsLayout(),
		Checker: verify.Checker{Verifier: v, Log: log.Log},
	}
}

// copyAll copies list and returns how often it ended how.
func copyAll(t testing.TB, c *transfer.Copier, list []transfer.Item) map[registry.Outcome]int {
	t.Helper()
	count := make(map[registry.Outcome]int)
	for _, it := range list {
		outcome, err := c.Copy(t.Context(), it)
		if err != nil {
			t.Fatalf("%v: %v", it, err)
		}
		count[outcome]++
	}
	return count
}

func subject(d digest.Digest) sign.Subject { return sign.Subject{Digest: d} }

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
