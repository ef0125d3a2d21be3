package mirror

import (
	"context"
	"errors"
	"net/http"
	"os"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/modferry/modferry/artifact/sign"
	"github.com/modferry/modferry/artifact/sign/signtest"
	"github.com/modferry/modferry/artifact/sumdb"
	"github.com/modferry/modferry/registry"
	"github.com/modferry/modferry/registry/collect/collecttest"
	"github.com/modferry/modferry/registry/remote/registrytest"
	"github.com/modferry/modferry/registry/requirement"
	"github.com/modferry/modferry/registry/upstream"
	"github.com/modferry/modferry/registry/upstream/upstreamtest"
)

// readSnapshot returns the snapshot in a store, checked as the shim does.
func readSnapshot(t testing.TB, s *registry.Store, c *upstream.Checksums, v sign.Verifier) (*sumdb.Snapshot, digest.Digest) {
	t.Helper()
	found, err := s.Snapshot(t.Context(), c.Log, v)
	if err != nil {
		t.Fatal(err)
	}
	snapshot, err := sumdb.Read(t.Context(), c.Log, found.Raw, func(ctx context.Context, d ocispec.Descriptor) ([]byte, error) {
		return s.SnapshotBlob(ctx, c.Log, d)
	})
	if err != nil {
		t.Fatal(err)
	}
	return snapshot, found.Descriptor.Digest
}

// assertProven checks that a version in a store has evidence that the newest snapshot there covers.
func assertProven(t testing.TB, o Options, e Event) {
	t.Helper()
	s, err := o.Stores.For(e.Module.Path)
	if err != nil {
		t.Fatal(err)
	}
	var v sign.Verifier = sign.SkipVerify{}
	if o.Signer != nil {
		v = o.Signer.Verifier()
	}
	m, err := s.FindKind(t.Context(), e.Module, e.ModOnly)
	if err != nil {
		t.Fatal(err)
	}
	meta, err := s.Meta(t.Context(), m)
	if err != nil {
		t.Fatal(err)
	}
	record, tiles, err := s.Evidence(t.Context(), m, meta, v)
	if err != nil {
		t.Fatal(err)
	}
	evidence, err := sumdb.ParseEvidence(o.Checksums.Log, record, tiles)
	if err != nil {
		t.Fatal(err)
	}
	snapshot, _ := readSnapshot(t, s, o.Checksums, v)
	if err := snapshot.Verify(m.Module, m.Sum, m.GoModSum, evidence); err != nil {
		t.Errorf("%v at %d records: %v", e.Module, snapshot.Head().N, err)
	}
}

// pinnedOptions returns options for mirroring from tree into a new layout, or into routes, with a database.
func pinnedOptions(t testing.TB, tree upstreamtest.Tree, log *upstreamtest.Log, routes string) Options {
	t.Helper()
	if routes == "" {
		routes = "oci:" + t.TempDir()
	}
	up := collecttest.NewUpstreamWith(t, upstream.Options{GOPROXY: tree.URL(), Retries: -1})
	return Options{
		Stores: openStores(t, routes), Upstream: up, Signer: signtest.Signer(t, 0),
		Checksums: newChecksums(t, upstream.ChecksumOptions{GOSUMDB: log.GOSUMDB(), NoSumDB: "corp.example", Upstream: up}),
	}
}

func store(t testing.TB, o Options) *registry.Store {
	t.Helper()
	return o.Stores.Stores()[0]
}

func TestRunKeepsEvidenceThatTheSnapshotCovers(t *testing.T) {
	versions := []string{"example.com/a@v1.0.0", "example.com/Upper/b@v1.0.0", "example.com/c@v2.0.0+incompatible", "example.com/d@v0.0.0-20260102030405-0123456789ab"}
	tree := upstreamtest.NewTree(t, versions...)
	reg := registrytest.New(t, registrytest.Options{})
	for name, routes := range map[string]string{
		"layout":     "",
		"registry":   reg.Host() + "/golang",
		"two stores": "example.com/Upper=oci:" + t.TempDir() + ",oci:" + t.TempDir(),
	} {
		t.Run(name, func(t *testing.T) {
			log := upstreamtest.NewLog(t, tree)
			o := pinnedOptions(t, tree, log, routes)
			log.Grow(t, 255)
			items := []requirement.Requirement{upstreamtest.ModOnly(versions[0])}
			for _, v := range versions {
				items = append(items, upstreamtest.Full(v))
			}
			events, summary := run(t, items, o)
			if summary.New != len(items) {
				t.Fatalf("%+v %+v", summary, events)
			}
			log.Grow(t, 300) // so that the tiles are full
			log.Requests("")
			again, summary := run(t, items, o)
			if summary != (Summary{Existing: len(items)}) {
				t.Errorf("again: %+v %+v", summary, again)
			}
			if n := log.Requests("/lookup/"); n != 0 {
				t.Errorf("%d lookups for what is there", n)
			}
			for _, e := range events {
				if !e.Recorded {
					t.Errorf("%v is not pinned", e.Module)
				}
				assertProven(t, o, e)
			}
			for _, s := range o.Stores.Stores() {
				snapshot, _ := readSnapshot(t, s, o.Checksums, o.Signer.Verifier())
				if n := snapshot.Head().N; n != 255+4+300 || len(snapshot.Earlier()) != 1 || snapshot.Previous() == "" {
					t.Errorf("%s: %d records, upon %v %s", s, n, snapshot.Earlier(), snapshot.Previous())
				}
			}
		})
	}
}

func TestPrivateModulesTouchNoDatabase(t *testing.T) {
	tree := upstreamtest.NewTree(t, "corp.example/secret@v1.0.0")
	log := upstreamtest.NewLog(t, tree)
	o := pinnedOptions(t, tree, log, "")
	for range 2 {
		if events, summary := run(t, []requirement.Requirement{upstreamtest.Full("corp.example/secret@v1.0.0")}, o); summary.Failed != 0 || events[0].Recorded {
			t.Errorf("%+v", events)
		}
	}
	if n := log.Requests(""); n != 0 {
		t.Errorf("%d requests", n)
	}
	if _, err := store(t, o).Snapshot(t.Context(), o.Checksums.Log, sign.SkipVerify{}); !errors.Is(err, registry.ErrNotFound) {
		t.Error(err)
	}
}

func TestRunCompletesWhatWasStoredWithoutEvidence(t *testing.T) {
	const v = "example.com/a@v1.0.0"
	tree := upstreamtest.NewTree(t, v)
	log := upstreamtest.NewLog(t, tree)
	o := pinnedOptions(t, tree, log, "")
	items := []requirement.Requirement{upstreamtest.Full(v), upstreamtest.ModOnly(v)}
	unchecked := o
	unchecked.Checksums = nil
	before, _ := run(t, items, unchecked)
	completed, summary := run(t, items, o)
	if summary != (Summary{Completed: 2}) {
		t.Fatalf("%+v %+v", summary, completed)
	}
	if again, summary := run(t, items, o); summary != (Summary{Existing: 2}) {
		t.Errorf("%+v %+v", summary, again)
	}
	for i, e := range completed {
		if e.Digest != before[i].Digest {
			t.Errorf("%v changed", e.Module)
		}
		assertProven(t, o, e)
	}
	other := o
	other.Signer = signtest.Signer(t, 1)
	if events, summary := run(t, items, other); summary != (Summary{Signed: 2}) {
		t.Errorf("with another key: %+v %+v", summary, events)
	}
	for _, e := range completed {
		assertProven(t, other, e)
	}
}

func TestWhatWasStoredUncheckedAndIsWrongIsNotCompleted(t *testing.T) {
	const v = "example.com/a@v1.0.0"
	tree := upstreamtest.NewTree(t, v)
	log := upstreamtest.NewLog(t, upstreamtest.NewTree(t, v))
	tree.Add(t, v, map[string]string{"evil.go": "package lib\n"})
	o := pinnedOptions(t, tree, log, "")
	unchecked := o
	unchecked.Checksums = nil
	run(t, []requirement.Requirement{upstreamtest.Full(v)}, unchecked)
	events, _ := run(t, []requirement.Requirement{upstreamtest.Full(v)}, o)
	if err := events[0].Err; !errors.Is(err, upstream.ErrChecksum) || !strings.HasPrefix(err.Error(), "SECURITY: ") || !strings.Contains(err.Error(), "h1:") {
		t.Error(err)
	}
}

func TestALogThatLiesStopsTheRun(t *testing.T) {
	const a, b = "example.com/a@v1.0.0", "example.com/b@v1.0.0"
	tree := upstreamtest.NewTree(t, a, b, "corp.example/private@v1.0.0")
	foreign := upstreamtest.NewLog(t, tree)
	for _, tt := range []struct {
		name string
		lie  func(honest *upstreamtest.Log) *upstreamtest.Log
		is   error
	}{
		{"shrunk", func(l *upstreamtest.Log) *upstreamtest.Log {
			return upstreamtest.NewLogWithKey(t, tree, l.Private, l.Public)
		}, sumdb.ErrShrunk},
		{"forked", func(l *upstreamtest.Log) *upstreamtest.Log {
			forked := upstreamtest.NewLogWithKey(t, tree, l.Private, l.Public)
			forked.Grow(t, 700)
			return forked
		}, sumdb.ErrForked},
		{"another key", func(l *upstreamtest.Log) *upstreamtest.Log {
			foreign.Public = l.Public
			foreign.Grow(t, 700)
			return foreign
		}, sumdb.ErrSignature},
		{"no note", func(l *upstreamtest.Log) *upstreamtest.Log {
			l.Tamper = func(string, []byte) []byte { return []byte("<html>") }
			return l
		}, sumdb.ErrSignature},
	} {
		t.Run(tt.name, func(t *testing.T) {
			reg := registrytest.New(t, registrytest.Options{})
			log := upstreamtest.NewLog(t, tree)
			log.Grow(t, 300)
			o := pinnedOptions(t, tree, log, reg.Host()+"/golang")
			run(t, []requirement.Requirement{upstreamtest.Full(a)}, o)
			lying := tt.lie(log)
			o.Checksums = newChecksums(t, upstream.ChecksumOptions{GOSUMDB: lying.GOSUMDB(), NoSumDB: "corp.example", Upstream: o.Upstream})
			reg.Reset()
			_, err := Run(t.Context(), []requirement.Requirement{upstreamtest.Full(b), upstreamtest.Full("corp.example/private@v1.0.0")}, o)
			if !errors.Is(err, tt.is) || !errors.Is(err, upstream.ErrChecksum) || !strings.HasPrefix(err.Error(), "SECURITY: ") || !strings.Contains(err.Error(), upstreamtest.LogName) {
				t.Error(err)
			}
			if _, writes := countRequests(reg, ""); writes != 0 {
				t.Errorf("%d writes", writes)
			}
		})
	}
}

func TestForgedTilesAndRecordsAreNoticed(t *testing.T) {
	tree := upstreamtest.NewTree(t, upstreamtest.VersionA.String())
	for _, tt := range []struct{ name, path string }{{"tiles", "/tile/"}, {"records", "/lookup/example.com/"}} {
		log := upstreamtest.NewLog(t, tree)
		log.Grow(t, 10)
		o := pinnedOptions(t, tree, log, "")
		log.Tamper = func(path string, b []byte) []byte {
			if strings.HasPrefix(path, tt.path) {
				b = append([]byte(nil), b...)
				b[len(b)/3] ^= 1
			}
			return b
		}
		summary, err := Run(t.Context(), []requirement.Requirement{upstreamtest.Full(upstreamtest.VersionA.String())}, o)
		if err == nil && summary.Failed != 1 || summary.New != 0 {
			t.Errorf("%s: %+v, %v", tt.name, summary, err)
		}
	}
}

func TestAnOldHeadOutOfACacheIsNoAlarm(t *testing.T) {
	tree := upstreamtest.NewTree(t, "example.com/a@v1.0.0", "example.com/b@v1.0.0")
	log := upstreamtest.NewLog(t, tree)
	o := pinnedOptions(t, tree, log, "")
	var old []byte
	log.Grow(t, 300)
	log.Tamper = func(path string, b []byte) []byte {
		if path == "/latest" {
			old = b
		}
		return b
	}
	if _, err := o.Checksums.Latest(t.Context()); err != nil {
		t.Fatal(err)
	}
	log.Grow(t, 300)
	run(t, []requirement.Requirement{upstreamtest.Full("example.com/a@v1.0.0")}, o)
	_, before := readSnapshot(t, store(t, o), o.Checksums, o.Signer.Verifier())

	// Once it is old, and never was published; then the record of b is newer.
	var asked atomic.Int32
	log.Tamper = func(path string, b []byte) []byte {
		if path == "/latest" && asked.Add(1) == 1 {
			return old
		}
		return b
	}
	events, summary := run(t, []requirement.Requirement{upstreamtest.Full("example.com/b@v1.0.0")}, o)
	if summary.New != 1 {
		t.Fatalf("%+v", events)
	}
	assertProven(t, o, events[0])
	if snapshot, _ := readSnapshot(t, store(t, o), o.Checksums, o.Signer.Verifier()); snapshot.Previous() != before {
		t.Errorf("the next snapshot is upon %q, not %q", snapshot.Previous(), before)
	}
}

func TestWithoutTheDatabaseWhatIsThereIsStillThere(t *testing.T) {
	tree := upstreamtest.NewTree(t, "example.com/a@v1.0.0", "example.com/b@v1.0.0")
	log := upstreamtest.NewLog(t, tree)
	o := pinnedOptions(t, tree, log, "")
	run(t, []requirement.Requirement{upstreamtest.Full("example.com/a@v1.0.0")}, o)
	log.Close()
	events, summary := run(t, []requirement.Requirement{upstreamtest.Full("example.com/a@v1.0.0"), upstreamtest.Full("example.com/b@v1.0.0")}, o)
	if summary != (Summary{Existing: 1, Failed: 1}) || !errors.Is(events[1].Err, upstream.ErrUpstream) || !strings.Contains(events[1].Err.Error(), "example.com/b@v1.0.0") {
		t.Errorf("%+v %+v", summary, events)
	}
}

func TestMirrorsAtTheSameTimeLeaveNoHeadBehind(t *testing.T) {
	tree := upstreamtest.NewTree(t, "example.com/a@v1.0.0", "example.com/b@v1.0.0", "example.com/c@v1.0.0", "example.com/d@v1.0.0")
	log := upstreamtest.NewLog(t, tree)
	one, two := t.TempDir(), t.TempDir()
	o := pinnedOptions(t, tree, log, "oci:"+one)
	step := func(o Options, v string) {
		t.Helper()
		log.Grow(t, 300)
		if events, summary := run(t, []requirement.Requirement{upstreamtest.Full(v)}, o); summary.New != 1 {
			t.Fatalf("%+v", events)
		}
	}
	step(o, "example.com/a@v1.0.0")
	if err := os.CopyFS(two, os.DirFS(one)); err != nil {
		t.Fatal(err)
	}
	other := o
	other.Stores = openStores(t, "oci:"+two)
	step(o, "example.com/b@v1.0.0")
	step(other, "example.com/c@v1.0.0")
	theirs, _ := readSnapshot(t, store(t, other), o.Checksums, o.Signer.Verifier())
	image, err := theirs.Pack()
	if err != nil {
		t.Fatal(err)
	}
	if err := store(t, o).PublishSnapshot(t.Context(), image, o.Checksums.Log, nil, o.Signer); err != nil {
		t.Fatal(err)
	}
	step(o, "example.com/d@v1.0.0")
	last, _ := readSnapshot(t, store(t, o), o.Checksums, o.Signer.Verifier())
	if n := len(last.Earlier()); n != 3 {
		t.Errorf("the newest snapshot knows %d earlier heads, want 3", n)
	}
}

func TestADamagedSnapshotIsReplaced(t *testing.T) {
	const a, b = "example.com/a@v1.0.0", "example.com/b@v1.0.0"
	tree := upstreamtest.NewTree(t, a, b)
	for _, damage := range []string{"manifest", "blob", "signature"} {
		t.Run(damage, func(t *testing.T) {
			reg := registrytest.New(t, registrytest.Options{})
			log := upstreamtest.NewLog(t, tree)
			log.Grow(t, 300)
			o := pinnedOptions(t, tree, log, reg.Host()+"/golang")
			run(t, []requirement.Requirement{upstreamtest.Full(a)}, o)
			repo := "golang/" + o.Checksums.Log.Repository()
			found, err := store(t, o).FindSnapshot(t.Context(), o.Checksums.Log, sumdb.LatestTag)
			if err != nil {
				t.Fatal(err)
			}
			switch damage {
			case "manifest":
				reg.SetManifest(repo, sumdb.LatestTag, []byte(`{"schemaVersion":2}`))
			case "blob":
				if err := reg.SetBlob(repo, found.Layers[1].Digest, []byte("garbage")); err != nil {
					t.Fatal(err)
				}
			case "signature":
				reg.DeleteTag(repo, sign.Tag(found.Descriptor.Digest))
			}
			if events, summary := run(t, []requirement.Requirement{upstreamtest.Full(b)}, o); summary.New != 1 {
				t.Fatalf("%+v", events)
			}
			readSnapshot(t, store(t, o), o.Checksums, o.Signer.Verifier())
		})
	}
}

func TestADamagedSnapshotThatCannotBeReplacedFailsEachVersion(t *testing.T) {
	const a, b, c = "example.com/a@v1.0.0", "example.com/b@v1.0.0", "example.com/c@v1.0.0"
	tree := upstreamtest.NewTree(t, a, b, c)
	reg := registrytest.New(t, registrytest.Options{})
	log := upstreamtest.NewLog(t, tree)
	o := pinnedOptions(t, tree, log, reg.Host()+"/golang")
	o.Jobs = 1
	for _, v := range []string{b, c} { // so that the head stays the one of the snapshot
		resp, err := http.Get(log.URL + "/lookup/" + v)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
	}
	log.Grow(t, 300)
	run(t, []requirement.Requirement{upstreamtest.Full(a)}, o)
	run(t, []requirement.Requirement{upstreamtest.Full(a)}, o) // the lookup of a has moved the head on
	found, err := store(t, o).FindSnapshot(t.Context(), o.Checksums.Log, sumdb.LatestTag)
	if err != nil {
		t.Fatal(err)
	}
	if err := reg.SetBlob("golang/"+o.Checksums.Log.Repository(), found.Layers[1].Digest, []byte("garbage")); err != nil {
		t.Fatal(err)
	}
	log.Tamper = func(path string, answer []byte) []byte {
		if strings.HasPrefix(path, "/tile/") {
			return nil
		}
		return answer
	}
	if events, summary := run(t, []requirement.Requirement{upstreamtest.Full(b), upstreamtest.Full(c)}, o); summary.Failed != 2 {
		t.Errorf("%+v %+v", summary, events)
	}
	log.Tamper = nil
	if events, summary := run(t, []requirement.Requirement{upstreamtest.Full(b), upstreamtest.Full(c)}, o); summary.New != 2 {
		t.Errorf("%+v %+v", summary, events)
	}
}
