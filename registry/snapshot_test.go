package registry_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"testing"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/mod/module"
	modsumdb "golang.org/x/mod/sumdb"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/modferry/modferry/artifact"
	"github.com/modferry/modferry/artifact/artifacttest"
	"github.com/modferry/modferry/artifact/sign"
	"github.com/modferry/modferry/artifact/sign/signtest"
	"github.com/modferry/modferry/artifact/sumdb"
	"github.com/modferry/modferry/registry"
	"github.com/modferry/modferry/registry/remote"
	"github.com/modferry/modferry/registry/remote/registrytest"
)

// testLog is a checksum database in memory.
type testLog struct {
	*sumdb.Log
	server *modsumdb.TestServer
	size   int
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
	return &testLog{Log: log, server: modsumdb.NewTestServer(private, func(path, version string) ([]byte, error) {
		return fmt.Appendf(nil, "%s %s h1:x\n", path, version), nil
	})}
}

// snapshot grows the log by n records and builds the snapshot at its head.
func (l *testLog) snapshot(t testing.TB, n int, base *sumdb.Snapshot) (*sumdb.Snapshot, *artifact.Image) {
	t.Helper()
	for range n {
		l.size++
		if _, err := l.server.Lookup(t.Context(), module.Version{Path: "example.com/m", Version: fmt.Sprintf("v1.0.%d", l.size)}); err != nil {
			t.Fatal(err)
		}
	}
	head, err := l.server.Signed(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	fetch := func(ctx context.Context, tile tlog.Tile) ([]byte, error) { return l.server.ReadTileData(ctx, tile) }
	s, err := sumdb.Build(t.Context(), l.Log, head, fetch, sumdb.BuildOptions{Base: base})
	if err != nil {
		t.Fatal(err)
	}
	image, err := s.Pack()
	if err != nil {
		t.Fatal(err)
	}
	return s, image
}

func publishSnapshot(t testing.TB, s *registry.Store, log *testLog, image *artifact.Image, have *sumdb.Manifest, signer *sign.Signer) {
	t.Helper()
	if err := s.PublishSnapshot(t.Context(), image, log.Log, have, signer); err != nil {
		t.Fatal(err)
	}
}

// bothKinds runs a test with a store of each kind.
func bothKinds(t *testing.T, test func(t *testing.T, s *registry.Store)) {
	t.Run("registry", func(t *testing.T) {
		_, s := newRegistry(t, registrytest.Options{})
		test(t, s)
	})
	t.Run("layout", func(t *testing.T) {
		test(t, open(t, newClient(t, remote.ClientOptions{}), "oci:"+t.TempDir()+"/new"))
	})
}

func TestSnapshotIsReadBack(t *testing.T) {
	signer := signtest.Signer(t, 0)
	bothKinds(t, func(t *testing.T, s *registry.Store) {
		log := newLog(t)
		if _, err := s.Snapshot(t.Context(), log.Log, signer.Verifier()); !errors.Is(err, registry.ErrNotFound) && !errors.Is(err, registry.ErrNoLayout) {
			t.Errorf("before there is one: %v", err)
		}
		first, image := log.snapshot(t, 300, nil)
		publishSnapshot(t, s, log, image, nil, signer)
		have, err := s.Snapshot(t.Context(), log.Log, signer.Verifier())
		if err != nil {
			t.Fatal(err)
		}
		second, image := log.snapshot(t, 300, first)
		publishSnapshot(t, s, log, image, have.Manifest, signer)
		got, err := s.Snapshot(t.Context(), log.Log, signer.Verifier())
		if err != nil || got.Descriptor.Digest != image.Descriptor.Digest || got.Tree != second.Head().Tree {
			t.Fatalf("%+v, %v", got, err)
		}
		read := func(ctx context.Context, d ocispec.Descriptor) ([]byte, error) {
			return s.SnapshotBlob(ctx, log.Log, d)
		}
		if _, err := sumdb.Read(t.Context(), log.Log, got.Raw, read); err != nil {
			t.Error(err)
		}
		if heads, err := s.Heads(t.Context(), log.Log); err != nil || !slices.Equal(heads, []int64{300, 600}) {
			t.Errorf("heads %v, %v", heads, err)
		}
		earlier, err := s.FindSnapshot(t.Context(), log.Log, sumdb.HeadTag(300))
		if err != nil || earlier.Descriptor.Digest != have.Descriptor.Digest {
			t.Errorf("%+v, %v", earlier, err)
		}
		if _, err := s.Snapshot(t.Context(), log.Log, signtest.Signer(t, 1).Verifier()); !errors.Is(err, sign.ErrUntrusted) {
			t.Errorf("with another key: %v", err)
		}
	})
}

func TestRequestsOfASnapshot(t *testing.T) {
	reg, s := newRegistry(t, registrytest.Options{})
	log, signer := newLog(t), signtest.Signer(t, 0)
	first, image := log.snapshot(t, 300, nil)
	publishSnapshot(t, s, log, image, nil, signer)
	have, err := s.Snapshot(t.Context(), log.Log, signer.Verifier())
	if err != nil {
		t.Fatal(err)
	}
	reg.Reset()
	publishSnapshot(t, s, log, image, have.Manifest, signer)
	if n := reg.Count(http.MethodPut, "") + reg.Count(http.MethodPost, ""); n != 0 {
		t.Errorf("%d writes for what is there", n)
	}
	_, image = log.snapshot(t, 1, first) // of the same spine
	reg.Reset()
	publishSnapshot(t, s, log, image, have.Manifest, signer)
	if n := reg.Count(http.MethodPost, registrytest.Upload); n != 5 { // config, head, edge; signature and its config
		t.Errorf("%d blobs for one more record, want 5", n)
	}
	reg.Reset()
	if _, err := s.Snapshot(t.Context(), log.Log, signer.Verifier()); err != nil {
		t.Fatal(err)
	}
	if n := len(reg.Requests()); n != 2 {
		t.Errorf("%d requests for finding and verifying, want 2", n)
	}
}

func TestLatestNeverStepsBack(t *testing.T) {
	signer := signtest.Signer(t, 0)
	bothKinds(t, func(t *testing.T, s *registry.Store) {
		log := newLog(t)
		_, old := log.snapshot(t, 100, nil)
		_, newer := log.snapshot(t, 100, nil)
		publishSnapshot(t, s, log, newer, nil, signer)
		publishSnapshot(t, s, log, old, nil, signer)
		got, err := s.Snapshot(t.Context(), log.Log, signer.Verifier())
		if err != nil || got.Tree.N != 200 {
			t.Errorf("%+v, %v", got, err)
		}
		if heads, err := s.Heads(t.Context(), log.Log); err != nil || !slices.Equal(heads, []int64{100, 200}) {
			t.Errorf("heads %v, %v", heads, err)
		}
	})
}

func TestHeadTagsNeverMove(t *testing.T) {
	_, s := newRegistry(t, registrytest.Options{})
	log, signer := newLog(t), signtest.Signer(t, 0)
	first, image := log.snapshot(t, 100, nil)
	_, one := log.snapshot(t, 100, first)
	_, other := log.snapshot(t, 0, nil) // of the same head, without an earlier one
	publishSnapshot(t, s, log, image, nil, signer)
	publishSnapshot(t, s, log, one, nil, signer)
	publishSnapshot(t, s, log, other, nil, signer)
	tagged, err := s.FindSnapshot(t.Context(), log.Log, sumdb.HeadTag(200))
	if err != nil || tagged.Descriptor.Digest != one.Descriptor.Digest {
		t.Errorf("head-200 is %+v, %v", tagged, err)
	}
	latest, err := s.Snapshot(t.Context(), log.Log, signer.Verifier())
	if err != nil || latest.Descriptor.Digest != other.Descriptor.Digest {
		t.Errorf("latest is %+v, %v", latest, err)
	}
}

func TestSnapshotOfAnotherKeyIsCountersigned(t *testing.T) {
	_, s := newRegistry(t, registrytest.Options{})
	log := newLog(t)
	_, image := log.snapshot(t, 100, nil)
	for i := range 2 {
		publishSnapshot(t, s, log, image, nil, signtest.Signer(t, i))
	}
	for i := range 2 {
		if _, err := s.Snapshot(t.Context(), log.Log, signtest.Signer(t, i).Verifier()); err != nil {
			t.Error(err)
		}
	}
}

func TestHostileSnapshotsAreRefused(t *testing.T) {
	reg, s := newRegistry(t, registrytest.Options{})
	log, other, signer := newLog(t), newLog(t), signtest.Signer(t, 0)
	_, image := log.snapshot(t, 300, nil)
	publishSnapshot(t, s, log, image, nil, signer)
	repo := namespace + "/" + log.Repository()
	if _, err := s.FindSnapshot(t.Context(), log.Log, sumdb.HeadTag(300)); err != nil {
		t.Fatal(err)
	}
	reg.SetManifest(repo, sumdb.HeadTag(400), image.Raw)
	if _, err := s.FindSnapshot(t.Context(), log.Log, sumdb.HeadTag(400)); !errors.Is(err, artifact.ErrIdentity) {
		t.Errorf("under another tag: %v", err)
	}
	a := artifacttest.FullVersion(t, artifacttest.Version, "x")
	reg.SetManifest(repo, sumdb.LatestTag, a.Raw)
	if _, err := s.Snapshot(t.Context(), log.Log, sign.SkipVerify{}); !errors.Is(err, sumdb.ErrNotSnapshot) {
		t.Errorf("a module version: %v", err)
	}
	publishSnapshot(t, s, log, image, nil, signer) // mends it
	if _, err := s.Snapshot(t.Context(), log.Log, signer.Verifier()); err != nil {
		t.Error(err)
	}
	if err := reg.SetBlob(repo, image.Blobs[1].Descriptor.Digest, []byte("garbage")); err != nil {
		t.Fatal(err)
	}
	if _, err := s.SnapshotBlob(t.Context(), log.Log, image.Blobs[1].Descriptor); !errors.Is(err, registry.ErrCorrupt) {
		t.Errorf("a changed blob: %v", err)
	}
	_, foreign := other.snapshot(t, 10, nil)
	reg.SetManifest(repo, sumdb.LatestTag, foreign.Raw)
	found, err := s.FindSnapshot(t.Context(), log.Log, sumdb.LatestTag)
	if err != nil {
		t.Fatal(err) // its name is right
	}
	if _, err := found.Head(log.Log); !errors.Is(err, sumdb.ErrSignature) {
		t.Errorf("of another key: %v", err)
	}
}
