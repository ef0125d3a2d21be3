package registry_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/mod/module"

	"github.com/modferry/modferry/artifact"
	"github.com/modferry/modferry/artifact/artifacttest"
	"github.com/modferry/modferry/artifact/sign"
	"github.com/modferry/modferry/artifact/sign/signtest"
	"github.com/modferry/modferry/registry"
	"github.com/modferry/modferry/registry/remote"
	"github.com/modferry/modferry/registry/remote/registrytest"
	"github.com/modferry/modferry/registry/storetest"
)

// eachStore runs a test against a registry and against a layout.
func eachStore(t *testing.T, test func(t *testing.T, s *registry.Store)) {
	t.Run("registry", func(t *testing.T) {
		_, s := newRegistry(t, registrytest.Options{PageSize: 2})
		test(t, s)
	})
	t.Run("layout", func(t *testing.T) {
		test(t, open(t, newClient(t, remote.ClientOptions{}), "oci:"+t.TempDir()+"/layout"))
	})
}

func TestPublishedVersionComesBack(t *testing.T) {
	eachStore(t, func(t *testing.T, s *registry.Store) {
		signer := signtest.Signer(t, 0)
		a := artifacttest.FullVersion(t, artifacttest.Version, "text")
		if outcome := storetest.Publish(t, s, a, signer); outcome != registry.Published {
			t.Errorf("outcome is %v", outcome)
		}
		m, keys, err := load(t, s, artifacttest.Version, signer.Verifier())
		if err != nil {
			t.Fatal(err)
		}
		if m.Descriptor.Digest != a.Descriptor.Digest || m.Repository != repo || !bytes.Equal(m.Raw, a.Raw) {
			t.Errorf("found %v in %s", m.Descriptor, m.Repository)
		}
		if !slices.Equal(keys, []string{signer.KeyID()}) {
			t.Errorf("keys are %v, want %s", keys, signer.KeyID())
		}
		meta, err := s.Meta(t.Context(), m)
		if err != nil || string(meta.Info) != string(artifacttest.Info(artifacttest.Version)) {
			t.Errorf("meta is %v, %v", meta, err)
		}
		checkZip(t, s, m)
	})
}

func checkZip(t *testing.T, s *registry.Store, m *registry.Module) {
	t.Helper()
	name := filepath.Join(t.TempDir(), "m.zip")
	f, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(s.Zip(t.Context(), m, f), f.Close(), m.CheckZipFile(name)); err != nil {
		t.Error(err)
	}
}

func TestFindPrefersTheFullVersion(t *testing.T) {
	eachStore(t, func(t *testing.T, s *registry.Store) {
		storetest.Publish(t, s, artifacttest.ModOnlyVersion(t, artifacttest.Version), nil)
		m, err := s.Find(t.Context(), artifacttest.Version)
		if err != nil || !m.ModOnly() {
			t.Fatalf("%v, %v; want the mod-only version", m, err)
		}
		if err := s.Zip(t.Context(), m, nil); !errors.Is(err, registry.ErrNotFound) {
			t.Errorf("zip of a mod-only version: %v", err)
		}
		storetest.Publish(t, s, artifacttest.FullVersion(t, artifacttest.Version, "text"), nil)
		if m, err = s.Find(t.Context(), artifacttest.Version); err != nil || m.ModOnly() {
			t.Errorf("%v, %v; want the full version", m, err)
		}
		other := module.Version{Path: artifacttest.Version.Path, Version: "v9.9.9"}
		_, err = s.Find(t.Context(), other)
		storetest.WantMeaning(t, err, registry.ErrNotFound)
		if !strings.Contains(err.Error(), other.String()) {
			t.Errorf("%v does not name the module", err)
		}
	})
}

func TestManifestInTheWrongPlaceIsRefused(t *testing.T) {
	signer := signtest.Signer(t, 0)
	reg, s := newRegistry(t, registrytest.Options{})
	storetest.Publish(t, s, artifacttest.FullVersion(t, artifacttest.Version, "text"), signer)
	raw := reg.Manifest(fullRepo, "v1.2.3")

	reg.SetManifest(fullRepo, "v1.2.4", raw)
	_, _, err := load(t, s, module.Version{Path: artifacttest.Version.Path, Version: "v1.2.4"}, signer.Verifier())
	wantOtherIdentity(t, err, "v1.2.4")

	reg.SetManifest(fullRepo, "v1.2.3.mod", raw)
	_, err = s.FindKind(t.Context(), artifacttest.Version, true)
	wantOtherIdentity(t, err, "v1.2.3")

	if err := reg.CopyRepository(fullRepo, namespace+"/evil.example/lib"); err != nil {
		t.Fatal(err)
	}
	_, _, err = load(t, s, module.Version{Path: "evil.example/lib", Version: "v1.2.3"}, signer.Verifier())
	wantOtherIdentity(t, err, "evil.example/lib")
}

func wantOtherIdentity(t *testing.T, err error, text string) {
	t.Helper()
	storetest.WantMeaning(t, err, nil)
	if !errors.Is(err, artifact.ErrIdentity) || !strings.Contains(err.Error(), text) {
		t.Errorf("%v; want an identity error with %q", err, text)
	}
}

func TestManifestOfNoModuleIsRefused(t *testing.T) {
	eachStore(t, func(t *testing.T, s *registry.Store) {
		storetest.Image(t, s, repo, "v1.2.3")
		_, err := s.Find(t.Context(), artifacttest.Version)
		storetest.WantMeaning(t, err, nil)
		if !errors.Is(err, artifact.ErrNotModule) || !strings.Contains(err.Error(), artifacttest.Version.String()) {
			t.Errorf("%v; want no module manifest", err)
		}
	})
}

func TestVersionsWithoutOrWithForeignSignaturesAreRefused(t *testing.T) {
	eachStore(t, func(t *testing.T, s *registry.Store) {
		storetest.Publish(t, s, artifacttest.FullVersion(t, artifacttest.Version, "text"), nil)
		ours := signtest.Signer(t, 0)
		if _, _, err := load(t, s, artifacttest.Version, ours.Verifier()); !errors.Is(err, sign.ErrUnsigned) {
			t.Errorf("%v; want unsigned", err)
		}
		storetest.Publish(t, s, artifacttest.FullVersion(t, artifacttest.Version, "text"), signtest.Signer(t, 1))
		if _, _, err := load(t, s, artifacttest.Version, ours.Verifier()); !errors.Is(err, sign.ErrUntrusted) {
			t.Errorf("%v; want untrusted", err)
		}
	})
}

func TestOutageWhileReadingSignaturesIsNoVerdict(t *testing.T) {
	reg, s := newRegistry(t, registrytest.Options{})
	signer := signtest.Signer(t, 0)
	storetest.Publish(t, s, artifacttest.FullVersion(t, artifacttest.Version, "text"), signer)
	reg.Inject(registrytest.InternalError().For("sha256-*"))
	_, _, err := load(t, s, artifacttest.Version, signer.Verifier())
	storetest.WantMeaning(t, err, registry.ErrUnavailable)
	if errors.Is(err, sign.ErrUnsigned) || errors.Is(err, sign.ErrUntrusted) {
		t.Errorf("%v is a verdict", err)
	}
	reg.Inject(registrytest.HTMLNotFound().For("sha256-*"))
	_, _, err = load(t, s, artifacttest.Version, signer.Verifier())
	storetest.WantMeaning(t, err, nil)
	if errors.Is(err, sign.ErrUnsigned) {
		t.Errorf("%v is a verdict", err)
	}
}

func TestBrokenForeignSignatureHidesNoGoodOne(t *testing.T) {
	reg, s := newRegistry(t, registrytest.Options{})
	a := artifacttest.FullVersion(t, artifacttest.Version, "text")
	foreign, ours := signtest.Signer(t, 0), signtest.Signer(t, 1)
	storetest.Publish(t, s, a, foreign)
	// The foreign payload is neither inlined nor in the registry.
	tag := sign.Tag(a.Descriptor.Digest)
	var image ocispec.Manifest
	if err := json.Unmarshal(reg.Manifest(fullRepo, tag), &image); err != nil {
		t.Fatal(err)
	}
	image.Layers[0].Data = nil
	raw, err := json.Marshal(image)
	if err != nil {
		t.Fatal(err)
	}
	reg.SetManifest(fullRepo, tag, raw)
	reg.Inject(registrytest.Answer(http.StatusNotFound, "BLOB_UNKNOWN", "").For(image.Layers[0].Digest.String()))

	_, _, err = load(t, s, artifacttest.Version, ours.Verifier())
	storetest.WantMeaning(t, err, registry.ErrCorrupt)
	if outcome := storetest.Publish(t, s, a, ours); outcome != registry.SignatureAdded {
		t.Errorf("outcome is %v", outcome)
	}
	if _, _, err := load(t, s, artifacttest.Version, ours.Verifier()); err != nil {
		t.Error(err)
	}

	reg.Heal()
	if _, _, err := load(t, s, artifacttest.Version, foreign.Verifier()); err != nil {
		t.Errorf("payload that has to be fetched: %v", err)
	}
}

func TestRequestsOfAColdRead(t *testing.T) {
	reg, s := newRegistry(t, registrytest.Options{})
	signer := signtest.Signer(t, 0)
	lib := module.Version{Path: "example.com/modonly", Version: "v0.1.0"}
	storetest.Publish(t, s, artifacttest.FullVersion(t, artifacttest.Version, "text"), signer)
	storetest.Publish(t, s, artifacttest.ModOnlyVersion(t, lib), signer)
	for _, test := range []struct {
		m    module.Version
		want []registrytest.Request
	}{
		{artifacttest.Version, []registrytest.Request{
			{Method: "GET", Kind: registrytest.Manifest, Reference: "v1.2.3"},
			{Method: "GET", Kind: registrytest.Manifest},
			{Method: "GET", Kind: registrytest.Blob},
		}},
		{lib, []registrytest.Request{
			{Method: "GET", Kind: registrytest.Manifest, Reference: "v0.1.0"},
			{Method: "GET", Kind: registrytest.Manifest, Reference: "v0.1.0.mod"},
			{Method: "GET", Kind: registrytest.Manifest},
		}},
	} {
		reg.Reset()
		m, _, err := load(t, s, test.m, signer.Verifier())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.Meta(t.Context(), m); err != nil {
			t.Error(err)
		}
		if !m.ModOnly() {
			checkZip(t, s, m)
		}
		got := reg.Requests()
		for i := range got {
			got[i].Repository = ""
			if strings.HasPrefix(got[i].Reference, "sha256") { // the signature, the zip
				got[i].Reference = ""
			}
		}
		if !slices.Equal(got, test.want) {
			t.Errorf("%v: requests are %v, want %v", test.m, got, test.want)
		}
	}
}

func TestZipFaultsLeaveAnError(t *testing.T) {
	for name, test := range map[string]struct {
		fault registrytest.Fault
		want  error
	}{
		"truncated": {registrytest.TruncatedBody(), registry.ErrUnavailable},
		"too short": {registrytest.WrongContentLength(), registry.ErrCorrupt},
		"rotten":    {registrytest.WrongDigestBody(), registry.ErrCorrupt},
	} {
		t.Run(name, func(t *testing.T) {
			reg, s := newRegistry(t, registrytest.Options{})
			storetest.Publish(t, s, artifacttest.FullVersion(t, artifacttest.Version, strings.Repeat("text", 10_000)), nil)
			m, err := s.Find(t.Context(), artifacttest.Version)
			if err != nil {
				t.Fatal(err)
			}
			reg.Inject(test.fault.On(http.MethodGet, registrytest.Blob))
			storetest.WantMeaning(t, s.Zip(t.Context(), m, new(bytes.Buffer)), test.want)
		})
	}
}

func TestMissingBlobIsDamageAndNotAbsence(t *testing.T) {
	reg, s := newRegistry(t, registrytest.Options{})
	storetest.Publish(t, s, artifacttest.FullVersion(t, artifacttest.Version, "text"), nil)
	m, err := s.Find(t.Context(), artifacttest.Version)
	if err != nil {
		t.Fatal(err)
	}
	reg.Inject(registrytest.Answer(http.StatusNotFound, "BLOB_UNKNOWN", "").On(http.MethodGet, registrytest.Blob))
	storetest.WantMeaning(t, s.Zip(t.Context(), m, new(bytes.Buffer)), registry.ErrCorrupt)
	m.Manifest.Meta.Data = nil
	_, err = s.Meta(t.Context(), m)
	storetest.WantMeaning(t, err, registry.ErrCorrupt)
}

func TestMetaThatIsNotInlinedIsFetched(t *testing.T) {
	eachStore(t, func(t *testing.T, s *registry.Store) {
		storetest.Publish(t, s, artifacttest.FullVersion(t, artifacttest.Version, "text"), nil)
		m, err := s.Find(t.Context(), artifacttest.Version)
		if err != nil {
			t.Fatal(err)
		}
		m.Manifest.Meta.Data = nil
		if meta, err := s.Meta(t.Context(), m); err != nil || string(meta.Info) != string(artifacttest.Info(artifacttest.Version)) {
			t.Errorf("%v, %v", meta, err)
		}
	})
}

func TestInlinedMetaThatDoesNotMatchItsDigestIsRefused(t *testing.T) {
	reg, s := newRegistry(t, registrytest.Options{})
	storetest.Publish(t, s, artifacttest.FullVersion(t, artifacttest.Version, "text"), nil)
	raw := reg.Manifest(fullRepo, "v1.2.3")
	before, after, ok := bytes.Cut(raw, []byte(`"data":"`))
	if !ok {
		t.Fatal("the meta layer is not inlined")
	}
	after = bytes.Clone(after)
	if after[100]++; after[100] > 'z' || after[100] == '0'-1 {
		after[100] = 'A'
	}
	reg.SetManifest(fullRepo, "v1.2.3", slices.Concat(before, []byte(`"data":"`), after))
	m, err := s.Find(t.Context(), artifacttest.Version)
	if err == nil {
		_, err = s.Meta(t.Context(), m)
	}
	storetest.WantMeaning(t, err, registry.ErrCorrupt)
}

func TestDamageIsSeenWithoutATransfer(t *testing.T) {
	reg, s := newRegistry(t, registrytest.Options{})
	a := artifacttest.FullVersion(t, artifacttest.Version, "x")
	storetest.Publish(t, s, a, nil)
	m, err := s.Find(t.Context(), a.Manifest.Module)
	if err != nil {
		t.Fatal(err)
	}
	reg.Reset()
	if damaged, err := s.Damaged(t.Context(), m, false); err != nil || len(damaged) > 0 {
		t.Errorf("%v, %v of a version that is whole", damaged, err)
	}
	if n, all := reg.Count(http.MethodHead, registrytest.Blob), reg.Count("", ""); n != 3 || all != 3 {
		t.Errorf("%d requests, %d of them HEAD of blobs; want 3", all, n)
	}
	zip := m.Manifest.Zip.Digest
	reg.Inject(registrytest.Answer(http.StatusNotFound, "", "").On(http.MethodHead, registrytest.Blob).For(zip.String()))
	if damaged, err := s.Damaged(t.Context(), m, false); err != nil || len(damaged) != 1 || damaged[0].Digest != zip {
		t.Errorf("%v, %v; want the zip layer", damaged, err)
	}
	reg.Inject(registrytest.ServiceUnavailable())
	if _, err := s.Damaged(t.Context(), m, false); !errors.Is(err, registry.ErrUnavailable) {
		t.Errorf("during an outage: %v", err)
	}
}
