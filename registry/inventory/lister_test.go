package inventory_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/mod/module"
	modsumdb "golang.org/x/mod/sumdb"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
	"oras.land/oras-go/v2/registry/remote/auth"

	"github.com/modferry/modferry/artifact"
	"github.com/modferry/modferry/artifact/artifacttest"
	"github.com/modferry/modferry/artifact/sign"
	"github.com/modferry/modferry/artifact/sign/signtest"
	"github.com/modferry/modferry/artifact/sumdb"
	"github.com/modferry/modferry/registry"
	"github.com/modferry/modferry/registry/inventory"
	"github.com/modferry/modferry/registry/remote"
	"github.com/modferry/modferry/registry/remote/registrytest"
	"github.com/modferry/modferry/registry/stores"
	"github.com/modferry/modferry/registry/storetest"
)

func open(t testing.TB, ref string) *registry.Store {
	t.Helper()
	client, err := remote.NewClient(remote.ClientOptions{
		MinBackoff: time.Microsecond, MaxBackoff: time.Millisecond,
		Credentials: func(context.Context, string) (auth.Credential, error) { return auth.EmptyCredential, nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	s, err := stores.Open(client, ref)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestListsOfReferrersAreTold(t *testing.T) {
	s := open(t, "oci:"+t.TempDir())
	storetest.Publish(t, s, artifacttest.FullVersion(t, lib, "text"), nil)
	version, _, err := s.Manifest(t.Context(), "corp.example/lib_u", "v1.2.3")
	must(t, err)
	list, _ := storetest.Image(t, s, "corp.example/lib_u", registry.ReferrersTag(version.Digest))
	if inv := parse(t, want(t, &inventory.Lister{Store: s})); !inv.HasReferrers("corp.example/lib_u", "v1.2.3", list.Digest) || inv.Tags() != 1 {
		t.Error("it is not in the inventory")
	}
}

// snapshotOf returns a snapshot of a checksum database, which is always the same.
func snapshotOf(t testing.TB) (*sumdb.Log, *artifact.Image) {
	t.Helper()

	private, public, err := note.GenerateKey(bytes.NewReader(bytes.Repeat([]byte{7}, 64)), "sum.example.com")
	must(t, err)
	log, err := sumdb.ParseLog(public)
	must(t, err)
	server := modsumdb.NewTestServer(private, func(path, version string) ([]byte, error) {
		return fmt.Appendf(nil, "%s %s h1:x\n", path, version), nil
	})
	for i := range 3 {
		_, err := server.Lookup(t.Context(), module.Version{Path: "example.com/m", Version: fmt.Sprintf("v1.0.%d", i)})
		must(t, err)
	}
	head, err := server.Signed(t.Context())
	must(t, err)
	fetch := func(ctx context.Context, tile tlog.Tile) ([]byte, error) { return server.ReadTileData(ctx, tile) }
	s, err := sumdb.Build(t.Context(), log, head, fetch, sumdb.BuildOptions{})
	must(t, err)
	image, err := s.Pack()
	must(t, err)
	return log, image
}

var (
	lib   = module.Version{Path: "corp.example/Lib", Version: "v1.2.3"}
	other = module.Version{Path: "example.com/other", Version: "v0.1.0"}
)

// fill puts one of everything into a store, and things of other tools.
func fill(t testing.TB, s *registry.Store, signer *sign.Signer) *artifact.Image {
	t.Helper()
	storetest.Publish(t, s, artifacttest.FullVersion(t, lib, "text"), signer)
	storetest.Publish(t, s, artifacttest.ModOnlyVersion(t, other), signer)
	must(t, s.PublishEvidence(t.Context(), artifact.Evidence{Module: lib, Record: []byte("a record")}, signer))
	must(t, s.PublishRevision(t.Context(), artifact.Revision{Path: lib.Path, Name: "main", Version: lib.Version}, signer))
	must(t, s.PublishRevision(t.Context(), artifact.Revision{Path: lib.Path, Name: "v1", Version: lib.Version}, signer))
	must(t, s.PublishIndex(t.Context(), []string{lib.Path, other.Path}, signer))
	log, image := snapshotOf(t)
	must(t, s.PublishSnapshot(t.Context(), image, log, nil, signer))
	storetest.Image(t, s, "corp.example/lib_u", "nightly")
	storetest.Image(t, s, "an-image-of-ours", "v1.0.0")
	return image
}

// list writes the inventory of a store as text.
func list(t testing.TB, l *inventory.Lister) (text string, broken []error, err error) {
	t.Helper()
	var out bytes.Buffer
	w := inventory.NewWriter(&out, inventory.Text)
	broken, err = l.Each(t.Context(), w.Add)
	_, closeErr := w.Close()
	must(t, closeErr)
	return out.String(), broken, err
}

func want(t testing.TB, l *inventory.Lister) string {
	t.Helper()
	text, broken, err := list(t, l)
	if err != nil || broken != nil {
		t.Fatalf("%v, broken: %v", err, broken)
	}
	return text
}

func TestAnInventoryHasAllThatIsOurs(t *testing.T) {
	for name, ref := range map[string]string{"layout": "oci:" + t.TempDir(), "registry": registrytest.New(t, registrytest.Options{PageSize: 2}).Host() + "/golang"} {
		t.Run(name, func(t *testing.T) {
			s := open(t, ref)
			image := fill(t, s, signtest.Signer(t, 0))
			text := want(t, &inventory.Lister{Store: s})
			inv := parse(t, text)
			if inv.Repositories() != 4 || inv.Tags() != 8 {
				t.Errorf("%d repositories, %d tags:\n%s", inv.Repositories(), inv.Tags(), text)
			}
			for repo, tags := range map[string][]string{
				"corp.example/lib_u": {"v1.2.3", "sumdb-v1.2.3", "rev-main", "rev-v1"}, "example.com/other": {"v0.1.0.mod"},
				"index": {artifact.IndexTag(signtest.Signer(t, 0).KeyID())}, "sumdb/sum.example.com": {"head-3", "latest"},
			} {
				for _, tag := range tags {
					d, _, err := s.Manifest(t.Context(), repo, tag)
					must(t, err)
					sig, _, err := s.Manifest(t.Context(), repo, sign.Tag(d.Digest))
					must(t, err)
					if !inv.Has(repo, tag, d.Digest) || !inv.HasSignatures(repo, tag, sig.Digest) {
						t.Errorf("%s:%s is missing:\n%s", repo, tag, text)
					}
				}
			}
			for _, b := range image.Blobs {
				if !inv.HasBlob("sumdb/sum.example.com", b.Descriptor.Digest) {
					t.Errorf("snapshot blob %s is missing", b.Descriptor.Digest)
				}
			}
		})
	}
}

func TestEqualStoresHaveEqualInventories(t *testing.T) {
	one, two := open(t, "oci:"+t.TempDir()), open(t, registrytest.New(t, registrytest.Options{}).Host()+"/elsewhere")
	fill(t, one, nil)
	fill(t, two, nil)
	a, b := want(t, &inventory.Lister{Store: one, Jobs: 1}), want(t, &inventory.Lister{Store: two, Jobs: 8})
	if a != b {
		t.Errorf("%s\n%s", a, b)
	}
}

func TestATagIsAskedForOnceAndNothingIsTransferred(t *testing.T) {
	reg := registrytest.New(t, registrytest.Options{})
	s := open(t, reg.Host()+"/golang")
	fill(t, s, signtest.Signer(t, 0))
	reg.Reset()
	want(t, &inventory.Lister{Store: s})
	seen := make(map[string]int)
	for _, r := range reg.Requests() {
		if r.Kind == registrytest.Manifest && r.Method == http.MethodHead {
			seen[r.Repository+":"+r.Reference]++
		}
	}
	for ref, n := range seen {
		if n != 1 && !strings.Contains(ref, "sumdb/") { // latest and its head have one signature
			t.Errorf("%s: %d requests", ref, n)
		}
	}
	if n := reg.Count(http.MethodGet, registrytest.Blob); n != 0 {
		t.Errorf("%d blobs were read", n)
	}
	// Of the index, with its signature, and of the snapshot: what is in them has to be known.
	if n := reg.Count(http.MethodGet, registrytest.Manifest); n > 3 {
		t.Errorf("%d manifests were read", n)
	}
}

func TestWithoutACatalogTheIndexNamesTheModules(t *testing.T) {
	for name, fault := range map[string]registrytest.Fault{
		"denied": registrytest.Denied(), "none": registrytest.Answer(http.StatusNotFound, "UNSUPPORTED", "no catalog"),
	} {
		reg := registrytest.New(t, registrytest.Options{})
		s := open(t, reg.Host()+"/golang")
		fill(t, s, nil)
		log, _ := snapshotOf(t)
		whole := want(t, &inventory.Lister{Store: s})
		reg.Inject(fault.On(http.MethodGet, registrytest.Catalog))
		if text := want(t, &inventory.Lister{Store: s, Logs: []*sumdb.Log{log}}); text != whole {
			t.Errorf("%s:\n%s\nwant\n%s", name, text, whole)
		}
	}
}

func TestWithoutCatalogAndIndexThereIsNoInventory(t *testing.T) {
	reg := registrytest.New(t, registrytest.Options{})
	s := open(t, reg.Host()+"/golang")
	storetest.Publish(t, s, artifacttest.FullVersion(t, lib, "text"), nil)
	reg.Inject(registrytest.Denied().On(http.MethodGet, registrytest.Catalog))
	if text, _, err := list(t, &inventory.Lister{Store: s}); !errors.Is(err, registry.ErrDenied) {
		t.Errorf("%v:\n%s", err, text)
	}
}

func TestWhatCannotBeListedIsNamed(t *testing.T) {
	for name, fault := range map[string]registrytest.Fault{
		"tags":       registrytest.Denied().On(http.MethodGet, registrytest.Tags).Times(1),
		"a version":  registrytest.Answer(http.StatusPreconditionFailed, "PROJECTPOLICYVIOLATION", "vulnerable").For("v1.2.3"),
		"a revision": registrytest.Denied().For("rev-main"),
		"signatures": registrytest.Denied().For("sha256-*"),
	} {
		t.Run(name, func(t *testing.T) {
			reg := registrytest.New(t, registrytest.Options{})
			s := open(t, reg.Host()+"/golang")
			storetest.Publish(t, s, artifacttest.FullVersion(t, lib, "text"), signtest.Signer(t, 0))
			storetest.Publish(t, s, artifacttest.ModOnlyVersion(t, other), nil)
			must(t, s.PublishRevision(t.Context(), artifact.Revision{Path: lib.Path, Name: "main", Version: lib.Version}, nil))
			if name == "tags" {
				reg.Inject(registrytest.Denied().On(http.MethodGet, registrytest.Tags).Times(2)) // of the index, and of a module
			} else {
				reg.Inject(fault)
			}
			text, broken, err := list(t, &inventory.Lister{Store: s, Jobs: 1})
			if err != nil || len(broken) == 0 || !strings.Contains(errors.Join(broken...).Error(), "corp.example/lib_u") {
				t.Errorf("%v, broken: %v", err, broken)
			}
			if strings.Contains(text, "lib_u") || !strings.Contains(text, "example.com/other") {
				t.Errorf("half of a repository, or not the others:\n%s", text)
			}
		})
	}
}

func TestAnOutageEndsIt(t *testing.T) {
	reg := registrytest.New(t, registrytest.Options{})
	s := open(t, reg.Host()+"/golang")
	fill(t, s, nil)
	reg.Inject(registrytest.ServiceUnavailable().On(http.MethodHead, registrytest.Manifest))
	if _, _, err := list(t, &inventory.Lister{Store: s}); !errors.Is(err, registry.ErrUnavailable) {
		t.Error(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := (&inventory.Lister{Store: s}).Each(ctx, func(inventory.Repository) error { return nil }); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

func TestWhatALayoutLacksIsNotInIt(t *testing.T) {
	dir := t.TempDir()
	s := open(t, "oci:"+dir)
	storetest.Publish(t, s, artifacttest.FullVersion(t, lib, "text"), nil)
	d, _, err := s.Manifest(t.Context(), "corp.example/lib_u", "v1.2.3")
	must(t, err)
	must(t, os.Remove(filepath.Join(dir, "blobs", "sha256", d.Digest.Encoded())))
	if _, broken, err := list(t, &inventory.Lister{Store: s}); err != nil || len(broken) != 1 || !errors.Is(broken[0], registry.ErrCorrupt) {
		t.Errorf("%v, broken: %v", err, broken)
	}
	if _, _, err := list(t, &inventory.Lister{Store: open(t, "oci:"+filepath.Join(dir, "none"))}); !errors.Is(err, registry.ErrNoLayout) {
		t.Error(err)
	}
}

// many is a store of versions that exist only by name: each has a manifest with signatures.
type many struct {
	registry.Backend
	modules, versions int
	asked             atomic.Int64
}

func (m *many) Reference(repo, ref string) string { return "many/" + repo + ":" + ref }

func (m *many) Repositories(context.Context) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		for i := range m.modules {
			if !yield(fmt.Sprintf("example.com/organisation/module%d", i), nil) {
				return
			}
		}
	}
}

func (m *many) Tags(_ context.Context, repo string) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		if repo == artifact.IndexRepository {
			yield("", registry.ErrNotFound)
			return
		}
		for i := range m.versions {
			tag := fmt.Sprintf("v1.%d.0", i)
			if !yield(tag, nil) || !yield(sign.Tag(of(repo+":"+tag)), nil) {
				return
			}
		}
	}
}

func (m *many) Resolve(_ context.Context, repo, ref string) (ocispec.Descriptor, error) {
	m.asked.Add(1)
	return ocispec.Descriptor{Digest: of(repo + ":" + ref)}, nil
}

// What is listed is written and let go: an inventory of many repositories takes no more memory than one of few.
func TestAnInventoryOfTwentyThousandVersions(t *testing.T) {
	store := &many{modules: 2000, versions: 10}
	l := &inventory.Lister{Store: registry.New(store)}
	var size counter
	w := inventory.NewWriter(&size, inventory.Text)
	pending := 0
	broken, err := l.Each(t.Context(), func(r inventory.Repository) error {
		before := int(size)
		err := w.Add(r)
		pending = max(pending, int(size)-before)
		return err
	})
	if err != nil || broken != nil {
		t.Fatal(err, broken)
	}
	if _, err := w.Close(); err != nil || w.Tags() != 20_000 || store.asked.Load() != 40_000 {
		t.Errorf("%v, %d tags, %d requests", err, w.Tags(), store.asked.Load())
	}
	if size > 20_000*45 || pending > 64<<10 {
		t.Errorf("%d bytes, up to %d at a time", size, pending)
	}
}

// counter counts what is written to it.
type counter int

func (c *counter) Write(p []byte) (int, error) {
	*c += counter(len(p))
	return len(p), nil
}
