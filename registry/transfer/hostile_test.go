package transfer_test

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/module"

	"github.com/modferry/modferry/artifact"
	"github.com/modferry/modferry/artifact/artifacttest"
	"github.com/modferry/modferry/artifact/sign"
	"github.com/modferry/modferry/artifact/sign/signtest"
	"github.com/modferry/modferry/artifact/sumdb"
	"github.com/modferry/modferry/registry"
	"github.com/modferry/modferry/registry/remote/registrytest"
	"github.com/modferry/modferry/registry/storetest"
	"github.com/modferry/modferry/registry/transfer"
	"github.com/modferry/modferry/registry/transfer/transfertest"
	"github.com/modferry/modferry/registry/verify"
)

const repo = "corp.example/lib_u"

func version(tag string) transfer.Item { return transfer.Item{Repository: repo, Tag: tag} }

// Whatever the source does, nothing of what it cannot prove is pushed: not a blob, not a manifest.
func TestWhatIsNotVerifiedIsNotPushed(t *testing.T) {
	signer, stranger := signtest.Signer(t, 0), signtest.Signer(t, 1)
	a := artifacttest.FullVersion(t, artifacttest.Version, "text")
	other := artifacttest.FullVersion(t, artifacttest.Later("v1.9.0"), "text")
	for name, test := range map[string]struct {
		source func(reg *registrytest.Registry, s *registry.Store)
		want   error
	}{
		"unsigned":      {func(_ *registrytest.Registry, s *registry.Store) { storetest.Publish(t, s, a, nil) }, sign.ErrUnsigned},
		"by a stranger": {func(_ *registrytest.Registry, s *registry.Store) { storetest.Publish(t, s, a, stranger) }, sign.ErrUntrusted},
		"another's tag": {func(reg *registrytest.Registry, s *registry.Store) {
			storetest.Publish(t, s, other, signer)
			reg.SetManifest("golang/"+repo, "v1.2.3", other.Raw)
		}, artifact.ErrIdentity},
		"a changed zip": {func(reg *registrytest.Registry, s *registry.Store) {
			storetest.Publish(t, s, a, signer)
			must(t, reg.SetBlob("golang/"+repo, a.Manifest.Zip.Digest, make([]byte, a.Manifest.Zip.Size)))
		}, registry.ErrCorrupt},
		"a missing zip": {func(reg *registrytest.Registry, s *registry.Store) {
			storetest.Publish(t, s, a, signer)
			must(t, reg.RemoveBlob("golang/"+repo, a.Manifest.Zip.Digest))
		}, registry.ErrCorrupt},
		"a missing SBOM": {func(reg *registrytest.Registry, s *registry.Store) {
			storetest.Publish(t, s, a, signer)
			must(t, reg.RemoveBlob("golang/"+repo, a.Manifest.Meta.Digest))
		}, registry.ErrCorrupt},
		"no module": {func(reg *registrytest.Registry, s *registry.Store) { storetest.Image(t, s, repo, "v1.2.3") }, artifact.ErrNotModule},
		"nothing":   {func(*registrytest.Registry, *registry.Store) {}, registry.ErrNotFound},
	} {
		t.Run(name, func(t *testing.T) {
			source, from := newRegistry(t)
			destination, to := newRegistry(t)
			test.source(source, from)
			err := newCopier(from, to, transfertest.NewLog(t), signer.Verifier()).Copy(t.Context(), version("v1.2.3")).Err
			if !errors.Is(err, test.want) {
				t.Errorf("%v, want %v", err, test.want)
			}
			if n := destination.Count(http.MethodPost, "") + destination.Count(http.MethodPut, ""); n > 0 {
				t.Errorf("%d requests wrote something: %v", n, destination.Requests())
			}
		})
	}
}

// A registry that is overloaded, or breaks for a moment, costs time; one that stays away ends the run.
func TestFaultsOfRegistries(t *testing.T) {
	signer := signtest.Signer(t, 0)
	for name, test := range map[string]struct {
		fault registrytest.Fault
		ends  bool // the run, for the rest would fail as well
	}{
		"rate limited for a moment": {registrytest.RateLimited(0).Times(3), false},
		"broken for a moment":       {registrytest.InternalError().Times(2), false},
		"cut off once":              {registrytest.TruncatedBody().Times(1), false},
		"rotten once":               {registrytest.WrongDigestBody().Times(1), false},
		"rate limited for good":     {registrytest.RateLimited(time.Hour), true},
		"broken for good":           {registrytest.InternalError(), true},
		"full":                      {registrytest.HarborQuotaExceeded(), true},
		"read-only":                 {registrytest.HarborReadOnly(), true},
	} {
		for _, side := range []string{"source", "destination"} {
			t.Run(name+"/"+side, func(t *testing.T) {
				source, from := newRegistry(t)
				destination, to := newRegistry(t)
				var list []transfer.Item
				for i := range 10 {
					m := artifacttest.Later(fmt.Sprintf("v1.0.%d", i))
					storetest.Publish(t, from, artifacttest.ModOnlyVersion(t, m), signer)
					list = append(list, version(m.Version+".mod"))
				}
				if side == "source" {
					source.Inject(test.fault)
				} else {
					destination.Inject(test.fault)
				}
				copied := 0
				err := newCopier(from, to, transfertest.NewLog(t), signer.Verifier()).CopyAll(t.Context(), list, 1, func(e transfer.Event) {
					if e.Err == nil {
						copied++
					}
				})
				pulls := side == "source" && (name == "full" || name == "read-only") // which do not matter there
				if test.ends && !pulls {
					if err == nil || copied > 0 {
						t.Errorf("%d copied, %v", copied, err)
					}
					return
				}
				if err != nil || copied != len(list) {
					t.Errorf("%d of %d copied, %v", copied, len(list), err)
				}
			})
		}
	}
}

// Harbor answers 412 to whoever puts an immutable tag, even with the same content: what exists is not put.
func TestImmutableTags(t *testing.T) {
	signer := signtest.Signer(t, 0)
	_, from := newRegistry(t)
	reg, to := newRegistry(t)
	log := transfertest.NewLog(t)
	transfertest.Everything(t, from, log, signer)
	reg.Inject(registrytest.HarborImmutableTag())
	s := transfer.Sync{Copier: newCopier(from, to, log, signer.Verifier()), Compare: true}
	for n, want := range []registry.Outcome{registry.Published, registry.Exists} {
		got := syncAll(t, s)
		if len(got.failed) > 0 || got.count[want] != len(transfertest.Items(t, from)) {
			t.Errorf("round %d: %v", n, got)
		}
	}
	// The tag that moves must be exempt, and whoever has forgotten that is told.
	log.Grow(t, 10, from, signer)
	got := syncAll(t, transfer.Sync{Copier: newCopier(from, to, log, signer.Verifier())})
	if err := got.failed["sumdb/sum.example.com:latest"]; len(got.failed) != 1 || !errors.Is(err, registry.ErrPolicy) {
		t.Errorf("%v", got)
	}
}

// A project that shows nobody what is not signed gets the signature of a version that somebody put there without one.
func TestAVersionThatMayNotBeReadForItHasNoSignatureGetsOne(t *testing.T) {
	signer := signtest.Signer(t, 0)
	_, from := newRegistry(t)
	reg, to := newRegistry(t)
	a := artifacttest.FullVersion(t, artifacttest.Version, "text")
	storetest.Publish(t, from, a, signer)
	storetest.Publish(t, to, a, nil)
	reg.Inject(registrytest.HarborUnsigned())
	e := newCopier(from, to, transfertest.NewLog(t), signer.Verifier()).Copy(t.Context(), version("v1.2.3"))
	if e.Err != nil || e.Outcome != registry.SignatureAdded {
		t.Errorf("%v, %v", e.Outcome, e.Err)
	}
	if _, _, err := load(t, to, artifacttest.Version, signer.Verifier()); err != nil {
		t.Error(err)
	}
}

// A snapshot only ever goes forward, on the one history that was seen.
func TestSnapshotsAreNeitherRolledBackNorForked(t *testing.T) {
	signer := signtest.Signer(t, 0)
	log := transfertest.NewLog(t)
	older, newer, forked, unproven := newLayout(t), newLayout(t), newLayout(t), newLayout(t)
	log.Grow(t, 300, older, signer)
	log.Grow(t, 300, newer, signer)
	log.Jump(t, 500, unproven, signer) // a head that knows nothing of those before
	log.Fork()
	log.Grow(t, 600, forked, signer)
	latest := transfer.Item{Repository: log.Repository(), Tag: sumdb.LatestTag}
	for name, test := range map[string]struct {
		from, to *registry.Store
		want     int64 // records of the latest snapshot afterwards
		err      error
	}{
		"forward":  {newer, older, 600, nil},
		"back":     {older, newer, 600, nil},
		"forked":   {forked, newer, 600, sumdb.ErrForked},
		"unproven": {unproven, newer, 600, sumdb.ErrUnproven},
	} {
		t.Run(name, func(t *testing.T) {
			to := newLayout(t)
			copyAll(t, newCopier(test.to, to, log, signer.Verifier()), transfertest.Items(t, test.to))
			c := newCopier(test.from, to, log, signer.Verifier())
			err := c.Copy(t.Context(), latest).Err
			if !errors.Is(err, test.err) {
				t.Errorf("%v, want %v", err, test.err)
			}
			found, err := to.FindSnapshot(t.Context(), log.Log, sumdb.LatestTag)
			if err != nil || found.Tree.N != test.want {
				t.Errorf("the latest is %+v, %v; want %d records", found, err, test.want)
			}
		})
	}
}

// Two mirrors at the same time leave a head each, which know nothing of each other. Both travel.
func TestHeadsOfTwoMirrorsTravel(t *testing.T) {
	signer := signtest.Signer(t, 0)
	log := transfertest.NewLog(t)
	from, to := newLayout(t), newLayout(t)
	log.Grow(t, 300, from, signer)
	copyAll(t, newCopier(from, to, log, signer.Verifier()), transfertest.Items(t, from))
	log.Jump(t, 100, from, signer) // 400, which does not know 300
	log.Jump(t, 112, from, signer) // 512, and all below it are provable
	syncAll(t, transfer.Sync{Copier: newCopier(from, newLayout(t), log, signer.Verifier())}).wants(t, 0, map[registry.Outcome]int{registry.Published: 4})
	got := syncAll(t, transfer.Sync{Copier: newCopier(from, to, log, signer.Verifier())})
	if err := got.failed["sumdb/sum.example.com:latest"]; len(got.failed) != 1 || !errors.Is(err, sumdb.ErrUnproven) || got.count[registry.Published] != 2 {
		t.Errorf("%v", got)
	}
}

// Who holds a key cannot bring what the log contradicts, nor leave out the record that does.
func TestWhatTheLogContradictsIsRefused(t *testing.T) {
	signer := signtest.Signer(t, 0)
	log := transfertest.NewLog(t)
	from := newLayout(t)
	truth, forged := artifacttest.FullVersion(t, artifacttest.Version, "text"), artifacttest.FullVersion(t, artifacttest.Version, "evil")
	lookup := log.Record(t, truth.Manifest)
	log.Grow(t, 300, from, signer)
	storetest.Publish(t, from, forged, signer)
	copyIt := func(it transfer.Item) error {
		return newCopier(from, newLayout(t), log, signer.Verifier()).Copy(t.Context(), it).Err
	}
	if err := copyIt(version("v1.2.3")); !errors.Is(err, verify.ErrUnrecorded) {
		t.Errorf("without a record: %v", err)
	}
	must(t, from.PublishEvidence(t.Context(), log.Evidence(t, truth.Manifest, lookup), signer))
	if err := copyIt(version("v1.2.3")); !errors.Is(err, sumdb.ErrMismatch) {
		t.Errorf("with the true record: %v", err)
	}
	if err := copyIt(version("sumdb-v1.2.3")); !errors.Is(err, sumdb.ErrMismatch) {
		t.Errorf("the record itself: %v", err)
	}
}

// Indexes are merged without their signer's key: none that names more is replaced.
// An index that the policy accepts crosses with what of its signatures can be read, as versions do.
func TestABrokenSignatureHidesNoIndex(t *testing.T) {
	signer := *signtest.Signer(t, 0)
	signer.Format = []sign.Format{sign.Classic, sign.Bundle}
	dir := t.TempDir()
	from, to, log := open(t, nil, "oci:"+dir), newLayout(t), transfertest.NewLog(t)
	must(t, from.PublishIndex(t.Context(), []string{"corp.example/a"}, &signer))
	must(t, from.PublishTileIndex(t.Context(), log.Log, map[int64]module.Version{1: {Path: "corp.example/a", Version: "v1.0.0"}}, &signer))
	for _, it := range []transfer.Item{
		{Repository: artifact.IndexRepository, Tag: artifact.IndexTag(signer.KeyID())},
		{Repository: log.Repository(), Tag: sumdb.TileIndexTag(signer.KeyID())},
	} {
		d, _, err := from.Manifest(t.Context(), it.Repository, it.Tag)
		must(t, err)
		referrers, err := from.Referrers(t.Context(), it.Repository, d.Digest)
		must(t, err)
		file := filepath.Join(dir, "blobs", "sha256", referrers[0].Digest.Encoded())
		must(t, os.Chmod(file, 0o666))
		must(t, os.WriteFile(file, make([]byte, referrers[0].Size), 0o666))
		if e := newCopier(from, to, log, signer.Verifier()).Copy(t.Context(), it); e.Err != nil {
			t.Errorf("%v: %v", it, e.Err)
		}
	}
}

func TestIndexesNeverShrink(t *testing.T) {
	signer := signtest.Signer(t, 0)
	names := func(s *registry.Store, paths ...string) {
		t.Helper()
		for _, path := range paths {
			storetest.Publish(t, s, artifacttest.ModOnlyVersion(t, module.Version{Path: path, Version: "v1.0.0"}), signer)
		}
		must(t, s.PublishIndex(t.Context(), paths, signer))
	}
	for name, test := range map[string]struct {
		from, to []string
		again    []string // what the source has later
		indexes  int      // at the destination
	}{
		"nothing there":     {from: []string{"corp.example/a"}, indexes: 1},
		"more":              {from: []string{"corp.example/a", "corp.example/b"}, to: []string{"corp.example/a"}, indexes: 1},
		"fewer":             {from: []string{"corp.example/a"}, to: []string{"corp.example/a", "corp.example/b"}, indexes: 1},
		"others":            {from: []string{"corp.example/a"}, to: []string{"corp.example/b"}, indexes: 2},
		"others, and again": {from: []string{"corp.example/a"}, to: []string{"corp.example/b"}, again: []string{"corp.example/c"}, indexes: 2},
	} {
		t.Run(name, func(t *testing.T) {
			from, to := newLayout(t), newLayout(t)
			log := transfertest.NewLog(t)
			names(to, test.to...)
			names(from, test.from...)
			syncAll(t, transfer.Sync{Copier: newCopier(from, to, log, signer.Verifier())})
			names(from, test.again...)
			syncAll(t, transfer.Sync{Copier: newCopier(from, to, log, signer.Verifier())})
			want := slices.Concat(test.from, test.to, test.again)
			slices.Sort(want)
			got, err := to.Index(t.Context(), signer.Verifier())
			if err != nil || !slices.Equal(got, slices.Compact(want)) {
				t.Errorf("%v, %v; want %v", got, err, want)
			}
			n := 0
			for tag, err := range to.Tags(t.Context(), artifact.IndexRepository) {
				must(t, err)
				if !strings.HasSuffix(tag, ".sig") {
					n++
				}
			}
			if n != test.indexes {
				t.Errorf("%d indexes, want %d", n, test.indexes)
			}
		})
	}
}

// Two mirrors with one key make an index each, and both are in a store that got what they mirrored. The next store gets them
// at once: neither is to take the other's place.
func TestSeveralIndexesOfOneSignerCross(t *testing.T) {
	signer, log := signtest.Signer(t, 0), transfertest.NewLog(t)
	from := newLayout(t)
	for _, path := range []string{"corp.example/a", "corp.example/b"} {
		mirrored := newLayout(t)
		m := module.Version{Path: path, Version: "v1.0.0"}
		storetest.Publish(t, mirrored, artifacttest.ModOnlyVersion(t, m), signer)
		must(t, mirrored.PublishIndex(t.Context(), []string{path}, signer))
		must(t, mirrored.PublishTileIndex(t.Context(), log.Log, map[int64]module.Version{int64(path[len(path)-1]): m}, signer))
		syncAll(t, transfer.Sync{Copier: newCopier(mirrored, from, log, signer.Verifier())})
	}
	for range 10 {
		_, reg := newRegistry(t)
		for _, to := range []*registry.Store{newLayout(t), reg} {
			syncAll(t, transfer.Sync{Copier: newCopier(from, to, log, signer.Verifier())}).
				wants(t, 0, map[registry.Outcome]int{registry.Published: 6})
			names, err := to.Index(t.Context(), signer.Verifier())
			if err != nil || len(names) != 2 {
				t.Errorf("%s: %v, %v", to, names, err)
			}
			tiles, err := to.TileIndexes(t.Context(), log.Log, signer.Verifier())
			if err != nil || len(tiles) != 2 {
				t.Errorf("%s: %d tile indexes, %v", to, len(tiles), err)
			}
		}
	}
}
