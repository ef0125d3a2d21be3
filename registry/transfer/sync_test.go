package transfer_test

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/mod/module"
	"golang.org/x/time/rate"

	"github.com/modferry/modferry/artifact"
	"github.com/modferry/modferry/artifact/artifacttest"
	"github.com/modferry/modferry/artifact/sign"
	"github.com/modferry/modferry/artifact/sign/signtest"
	"github.com/modferry/modferry/registry"
	"github.com/modferry/modferry/registry/remote/registrytest"
	"github.com/modferry/modferry/registry/storetest"
	"github.com/modferry/modferry/registry/transfer"
	"github.com/modferry/modferry/registry/transfer/transfertest"
)

// result is what a Sync did.
type result struct {
	same   int
	count  map[registry.Outcome]int
	failed map[string]error
	mount  int64
	sent   int64
}

func syncAll(t testing.TB, s transfer.Sync) result {
	t.Helper()
	r := result{count: make(map[registry.Outcome]int), failed: make(map[string]error)}
	s.Report = func(e transfer.Event) {
		r.mount += e.Mounted
		r.sent += e.Sent
		if e.Err != nil {
			r.failed[e.Item.String()] = e.Err
			return
		}
		r.count[e.Outcome]++
	}
	sum, broken, err := s.Run(t.Context())
	if err := errors.Join(append(broken, err)...); err != nil {
		t.Fatal(err)
	}
	r.same = sum.Same
	return r
}

func (r result) String() string {
	return fmt.Sprintf("%d same, %v, failed %v", r.same, r.count, r.failed)
}

// wants checks a result, as fmt prints it.
func (r result) wants(t testing.TB, same int, count map[registry.Outcome]int) {
	t.Helper()
	if r.same != same || fmt.Sprint(r.count) != fmt.Sprint(count) || len(r.failed) > 0 {
		t.Errorf("%v, want %d same, %v", r, same, count)
	}
}

func TestSyncWithNothingToDoTakesTwoRequestsAVersion(t *testing.T) {
	for _, modules := range []int{1000, 50} { // of the 1,000 versions
		t.Run(fmt.Sprintf("%d modules", modules), func(t *testing.T) {
			t.Parallel()
			a, from := newRegistry(t)
			b, to := newRegistry(t)
			signer := signtest.Signer(t, 0)
			var paths []string
			for i := range modules {
				path := fmt.Sprintf("corp.example/m%d", i)
				paths = append(paths, path)
				for v := range 1000 / modules {
					version := artifacttest.ModOnlyVersion(t, module.Version{Path: path, Version: fmt.Sprintf("v1.0.%d", v)})
					sig, err := signer.Sign(t.Context(), version.Descriptor.Digest, "x")
					must(t, err)
					signatures, err := sign.Append(nil, sig)
					must(t, err)
					for _, reg := range []*registrytest.Registry{a, b} { // without blobs, which nobody is to ask for
						reg.SetManifest("golang/"+path, fmt.Sprintf("v1.0.%d.mod", v), version.Raw)
						reg.SetManifest("golang/"+path, sign.Tag(version.Descriptor.Digest), signatures.Raw)
					}
				}
			}
			if err := from.PublishIndex(t.Context(), paths, signer); err != nil {
				t.Fatal(err)
			}
			log := transfertest.NewLog(t)
			s := transfer.Sync{Copier: newCopier(from, to, log, signer.Verifier())}
			syncAll(t, s).wants(t, 1000, map[registry.Outcome]int{registry.Published: 1}) // the index
			a.Reset()
			b.Reset()
			syncAll(t, s).wants(t, 1000, map[registry.Outcome]int{registry.Exists: 1})
			const once = 20 // for listing what there is, and comparing the index
			if n := len(a.Requests()) + len(b.Requests()); n > 2*modules+once {
				t.Errorf("%d requests for 1,000 versions of %d modules", n, modules)
			}
			if n := b.Count(http.MethodPut, "") + b.Count(http.MethodPost, ""); n > 0 {
				t.Errorf("%d requests wrote something", n)
			}
		})
	}
}

// Both directions, and what comes later: a new version, and a signature on an old one.
func TestSyncCopiesWhatIsMissing(t *testing.T) {
	signer, other := signtest.Signer(t, 0), signtest.Signer(t, 1)
	for name, stores := range map[string]func() (from, to *registry.Store){
		"registry to registry":  func() (_, _ *registry.Store) { _, a := newRegistry(t); _, b := newRegistry(t); return a, b },
		"registry to directory": func() (_, _ *registry.Store) { _, a := newRegistry(t); return a, newLayout(t) },
		"directory to registry": func() (_, _ *registry.Store) { _, b := newRegistry(t); return newLayout(t), b },
	} {
		t.Run(name, func(t *testing.T) {
			from, to := stores()
			log := transfertest.NewLog(t)
			transfertest.Everything(t, from, log, signer)
			s := transfer.Sync{Copier: newCopier(from, to, log, signer.Verifier())}
			syncAll(t, s).wants(t, 0, map[registry.Outcome]int{registry.Published: len(transfertest.Items(t, from))})
			unchanged := map[registry.Outcome]int{registry.Exists: 2} // the latest snapshot and the index, which may move
			syncAll(t, s).wants(t, 7, unchanged)

			a := artifacttest.ModOnlyVersion(t, artifacttest.Later("v1.5.0"))
			lookup := log.Record(t, a.Manifest)
			log.Grow(t, 1, from, signer)
			storetest.Publish(t, from, a, signer)
			if err := from.PublishEvidence(t.Context(), log.Evidence(t, a.Manifest, lookup), signer); err != nil {
				t.Fatal(err)
			}
			// Version, evidence, head; and the latest, which moves.
			syncAll(t, s).wants(t, 7, map[registry.Outcome]int{registry.Published: 4, registry.Exists: 1})

			storetest.Publish(t, from, a, other)
			s.Copier = newCopier(from, to, log, signer.Verifier())
			s.Compare = true
			syncAll(t, s).wants(t, 0, map[registry.Outcome]int{registry.SignatureAdded: 1, registry.Exists: 11})
			_, keys, err := load(t, to, a.Manifest.Module, other.Verifier())
			if err != nil || len(keys) != 1 {
				t.Errorf("the second signature: %v, %v", keys, err)
			}
			if _, _, err := load(t, to, a.Manifest.Module, signer.Verifier()); err != nil {
				t.Errorf("the first one: %v", err)
			}
		})
	}
}

// A version that both have, and of which the destination lacks the signature that is a sigstore bundle, is not the same.
func TestSyncNoticesThatABundleIsMissing(t *testing.T) {
	classic, other := signtest.Signer(t, 0), *signtest.Signer(t, 1)
	other.Format = []sign.Format{sign.Bundle}
	from, to, log := newLayout(t), newLayout(t), transfertest.NewLog(t)
	a := artifacttest.ModOnlyVersion(t, artifacttest.Later("v1.5.0"))
	storetest.Publish(t, from, a, classic)
	must(t, from.PublishIndex(t.Context(), []string{artifacttest.Version.Path}, classic))
	s := transfer.Sync{Copier: newCopier(from, to, log, classic.Verifier())}
	syncAll(t, s)
	storetest.Publish(t, from, a, &other)
	syncAll(t, s).wants(t, 0, map[registry.Outcome]int{registry.SignatureAdded: 1, registry.Exists: 1})
	if _, _, err := load(t, to, a.Manifest.Module, other.Verifier()); err != nil {
		t.Error(err)
	}
	syncAll(t, s).wants(t, 1, map[registry.Outcome]int{registry.Exists: 1})
}

func TestAFullDiskEndsTheSyncAndLosesNothing(t *testing.T) {
	signer, log := signtest.Signer(t, 0), transfertest.NewLog(t)
	from, to := newLayout(t), newLayout(t)
	const versions = 10
	for i := range versions {
		m := artifacttest.Later(fmt.Sprintf("v1.5.%d", i))
		storetest.Publish(t, from, artifacttest.FullVersion(t, m, m.Version), signer)
	}
	must(t, from.PublishIndex(t.Context(), []string{artifacttest.Version.Path}, signer))
	disk := transfertest.NewFullDisk(to, 20)
	s := transfer.Sync{Copier: newCopier(from, registry.New(disk), log, signer.Verifier()), Report: func(transfer.Event) {}, Jobs: 1}
	if _, _, err := s.Run(t.Context()); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("the sync ends with %v", err)
	}
	there := transfertest.Items(t, to)
	for _, it := range there { // nothing is visible that is not whole
		if it.Kind() == transfer.Version {
			if _, _, err := load(t, to, artifacttest.Later(it.Tag), signer.Verifier()); err != nil {
				t.Errorf("%v: %v", it, err)
			}
		}
	}
	if len(there) == 0 || len(there) > versions {
		t.Errorf("%d items before the disk was full", len(there))
	}
	disk.Left.Store(1000)
	if r := syncAll(t, s); len(r.failed) > 0 || r.count[registry.Published] == 0 {
		t.Errorf("once there is room: %v", r)
	}
	for i := range versions {
		if _, _, err := load(t, to, artifacttest.Later(fmt.Sprintf("v1.5.%d", i)), signer.Verifier()); err != nil {
			t.Error(err)
		}
	}
}

// Reports of scanners and auditors, as "cosign attest" writes them, go where the version goes that they are about.
func TestAttestationsTravelAlong(t *testing.T) {
	signer := signtest.Signer(t, 0)
	_, reg := newRegistry(t)
	for name, to := range map[string]*registry.Store{"to a registry": reg, "to a directory": newLayout(t)} {
		t.Run(name, func(t *testing.T) {
			from, log := newLayout(t), transfertest.NewLog(t)
			a := artifacttest.ModOnlyVersion(t, artifacttest.Later("v1.5.0"))
			storetest.Publish(t, from, a, signer)
			must(t, from.PublishIndex(t.Context(), []string{artifacttest.Version.Path}, signer))
			report := signtest.Attestation(t, 1, a.Descriptor.Digest)
			image, err := sign.Referrer(a.Descriptor, report)
			must(t, err)
			repo, err := artifact.Repository(a.Manifest.Module.Path)
			must(t, err)
			for _, b := range image.Blobs {
				must(t, from.PushBlob(t.Context(), repo, b))
			}
			must(t, from.PushManifest(t.Context(), repo, image.Descriptor, image.Raw, ""))
			syncAll(t, transfer.Sync{Copier: newCopier(from, to, log, signer.Verifier())})
			sigs, err := to.Signatures(t.Context(), repo, a.Descriptor.Digest)
			must(t, err)
			if !slices.ContainsFunc(sigs, func(s sign.Signature) bool { return bytes.Equal(s.Payload, report.Payload) }) {
				t.Errorf("%d signatures, and no attestation", len(sigs))
			}
		})
	}
}

// Other content under the same version is never overwritten, and never taken for the same.
func TestSyncNamesConflicts(t *testing.T) {
	signer := signtest.Signer(t, 0)
	_, from := newRegistry(t)
	reg, to := newRegistry(t)
	log := transfertest.NewLog(t)
	ours, theirs := artifacttest.FullVersion(t, artifacttest.Version, "ours"), artifacttest.FullVersion(t, artifacttest.Version, "theirs")
	storetest.Publish(t, from, theirs, signer)
	storetest.Publish(t, from, artifacttest.ModOnlyVersion(t, artifacttest.Later("v1.0.0")), signer)
	storetest.Publish(t, to, ours, signer)
	if err := from.PublishIndex(t.Context(), []string{artifacttest.Version.Path}, signer); err != nil {
		t.Fatal(err)
	}
	for range 2 { // the second time, with what the first one copied
		got := syncAll(t, transfer.Sync{Copier: newCopier(from, to, log, signer.Verifier())})
		err := got.failed["corp.example/lib_u:v1.2.3"]
		var conflict *registry.ConflictError
		if !errors.As(err, &conflict) || !strings.Contains(err.Error(), ours.Manifest.Sum) || !strings.Contains(err.Error(), theirs.Manifest.Sum) {
			t.Errorf("%v: %v", got, err)
		}
	}
	if raw := reg.Manifest("golang/corp.example/lib_u", "v1.2.3"); string(raw) != string(ours.Raw) {
		t.Error("the version was overwritten")
	}
}

func TestSyncFollowsARevisionForward(t *testing.T) {
	signer := signtest.Signer(t, 0)
	from, to, log := newLayout(t), newLayout(t), transfertest.NewLog(t)
	means := func(version string) {
		t.Helper()
		storetest.Publish(t, from, artifacttest.ModOnlyVersion(t, artifacttest.Later(version)), signer)
		if err := from.PublishRevision(t.Context(), artifact.Revision{Path: artifacttest.Version.Path, Name: "main", Version: version}, signer); err != nil {
			t.Fatal(err)
		}
		syncAll(t, transfer.Sync{Copier: newCopier(from, to, log, signer.Verifier())})
	}
	for _, test := range []struct{ source, want string }{
		{"v1.1.0", "v1.1.0"},
		{"v1.2.0", "v1.2.0"},
		{"v1.0.0", "v1.2.0"}, // an older medium, or a registry that was put back
	} {
		means(test.source)
		r, err := to.Revision(t.Context(), artifacttest.Version.Path, "main", signer.Verifier())
		if err != nil || r.Version != test.want {
			t.Errorf("main means %s at the source, %+v, %v here; want %s", test.source, r, err, test.want)
		}
	}
}

// A revision belongs to the version that it means, as in a bundle.
func TestSyncTakesTheRevisionsOfWhatMatches(t *testing.T) {
	signer := signtest.Signer(t, 0)
	from, log := newLayout(t), transfertest.NewLog(t)
	transfertest.Everything(t, from, log, signer)
	for version, want := range map[string]bool{"v1.2.3": true, "v1.0.0": false} {
		to := newLayout(t)
		s := transfer.Sync{Copier: newCopier(from, to, log, signer.Verifier())}
		s.Match = func(m module.Version) bool { return m.Version == version }
		syncAll(t, s)
		_, err := to.Revision(t.Context(), artifacttest.Version.Path, "main", signer.Verifier())
		if (err == nil) != want || err != nil && !errors.Is(err, registry.ErrNotFound) {
			t.Errorf("with %s: %v", version, err)
		}
	}
}

func TestSyncTakesWhatMatches(t *testing.T) {
	signer := signtest.Signer(t, 0)
	from, to, log := newLayout(t), newLayout(t), transfertest.NewLog(t)
	for _, m := range []module.Version{{Path: "corp.example/a", Version: "v1.0.0"}, {Path: "corp.example/a", Version: "v2.0.0+incompatible"}, {Path: "corp.example/b", Version: "v1.0.0"}} {
		storetest.Publish(t, from, artifacttest.ModOnlyVersion(t, m), signer)
	}
	syncAll(t, transfer.Sync{
		Copier: newCopier(from, to, log, signer.Verifier()),
		Match:  func(m module.Version) bool { return m.Path == "corp.example/a" && m.Version == "v1.0.0" },
	})
	if got := fmt.Sprint(transfertest.Items(t, to)); got != "[corp.example/a:v1.0.0.mod]" {
		t.Error(got)
	}
}

// In one registry, blobs need not be sent; where it does not mount, they are.
func TestSyncWithinARegistryMounts(t *testing.T) {
	signer := signtest.Signer(t, 0)
	for name, test := range map[string]struct {
		fault registrytest.Fault
		sent  bool
	}{
		"mounts":         {registrytest.Denied().On("NEVER", ""), false},
		"does not mount": {registrytest.NoMount(), true},
	} {
		t.Run(name, func(t *testing.T) {
			reg := registrytest.New(t, registrytest.Options{})
			c := newClient(t)
			from, to := open(t, c, reg.Host()+"/centre"), open(t, c, reg.Host()+"/branch")
			a := artifacttest.FullVersion(t, artifacttest.Version, "text")
			storetest.Publish(t, from, a, signer)
			reg.Inject(test.fault)
			got := syncAll(t, transfer.Sync{Copier: newCopier(from, to, transfertest.NewLog(t), signer.Verifier())})
			if len(got.failed) > 0 || (got.sent > 1000) != test.sent || (got.mount == 0) != test.sent {
				t.Errorf("%v: %d bytes sent, %d mounted", got, got.sent, got.mount)
			}
			if _, _, err := load(t, to, artifacttest.Version, signer.Verifier()); err != nil {
				t.Error(err)
			}
		})
	}
}

// load finds a version and has its signatures verified.
func load(t testing.TB, s *registry.Store, m module.Version, v sign.Verifier) (*registry.Module, []string, error) {
	t.Helper()
	found, err := s.Find(t.Context(), m)
	if err != nil {
		return nil, nil, err
	}
	keys, err := s.Verify(t.Context(), found, v)
	return found, keys, err
}

// What the account may not list, the source's index tells; and the snapshot, where it always is.
func TestSyncFromARegistryWithoutCatalog(t *testing.T) {
	signer := signtest.Signer(t, 0)
	reg, from := newRegistry(t)
	log := transfertest.NewLog(t)
	transfertest.Everything(t, from, log, signer)
	want := transfertest.Items(t, from)
	reg.Inject(registrytest.NoCatalog())
	to := newLayout(t)
	syncAll(t, transfer.Sync{Copier: newCopier(from, to, log, signer.Verifier())}).wants(t, 0, map[registry.Outcome]int{registry.Published: len(want)})
	if got := transfertest.Items(t, to); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("%v, want %v", got, want)
	}
}

// A limit counts every byte that comes over the network, once; of a directory, every byte that is sent.
func TestRateLimitCountsWhatIsTransferred(t *testing.T) {
	signer := signtest.Signer(t, 0)
	a := artifacttest.FullVersion(t, artifacttest.Version, strings.Repeat("text", 10_000))
	var blobs int64
	for _, b := range a.Blobs {
		blobs += b.Descriptor.Size
	}
	for name, stores := range map[string]func() (from, to *registry.Store){
		"registry to directory": func() (_, _ *registry.Store) { _, s := newRegistry(t); return s, newLayout(t) },
		"directory to registry": func() (_, _ *registry.Store) { _, s := newRegistry(t); return newLayout(t), s },
	} {
		t.Run(name, func(t *testing.T) {
			from, to := stores()
			storetest.Publish(t, from, a, signer)
			c := newCopier(from, to, transfertest.NewLog(t), signer.Verifier())
			const bucket = 1 << 30
			c.Rate = rate.NewLimiter(1e-9, bucket) // it never fills again while this runs
			must(t, c.Copy(t.Context(), version("v1.2.3")).Err)
			signature := int64(2 << 10)
			if taken := bucket - int64(c.Rate.Tokens()); taken < blobs || taken > blobs+signature {
				t.Errorf("%d bytes counted for %d", taken, blobs)
			}
		})
	}
}
