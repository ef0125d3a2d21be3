package registry_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/sync/errgroup"

	"github.com/modferry/modferry/artifact"
	"github.com/modferry/modferry/artifact/artifacttest"
	"github.com/modferry/modferry/artifact/sign"
	"github.com/modferry/modferry/artifact/sign/signtest"
	"github.com/modferry/modferry/registry"
	"github.com/modferry/modferry/registry/remote"
	"github.com/modferry/modferry/registry/remote/registrytest"
	"github.com/modferry/modferry/registry/storetest"
)

// bundler returns one of three signers, that stores its signatures in some formats.
func bundler(t *testing.T, i int, formats ...sign.Format) *sign.Signer {
	t.Helper()
	s := *signtest.Signer(t, i)
	s.Format = formats
	return &s
}

// eachReferrersStore runs a test with each way of keeping lists of referrers: in a registry that has them, in one that has
// not, in one that says there are none, and in a directory.
func eachReferrersStore(t *testing.T, test func(*testing.T, *registry.Store)) {
	for name, faults := range map[string][]registrytest.Fault{
		"registry with lists":            nil,
		"registry without lists":         {registrytest.NoReferrers()},
		"registry that says not allowed": {registrytest.Answer(http.StatusMethodNotAllowed, "UNSUPPORTED", "").On("", registrytest.Referrers)},
		"registry with empty lists":      {registrytest.EmptyReferrers()},
	} {
		t.Run(name, func(t *testing.T) {
			reg, s := newRegistry(t, registrytest.Options{PageSize: 2})
			for _, f := range faults {
				reg.Inject(f)
			}
			test(t, s)
		})
	}
	t.Run("layout", func(t *testing.T) {
		test(t, open(t, newClient(t, remote.ClientOptions{}), "oci:"+t.TempDir()+"/layout"))
	})
}

// attach pushes a bundle as a referrer of subject.
func attach(t *testing.T, s *registry.Store, subject ocispec.Descriptor, sig sign.Signature) {
	t.Helper()
	image, err := sign.Referrer(subject, sig)
	if err != nil {
		t.Fatal(err)
	}
	pushAll(t, s, image.Blobs)
	if err := s.PushManifest(t.Context(), repo, image.Descriptor, image.Raw, ""); err != nil {
		t.Fatal(err)
	}
}

func TestBundlesAreWrittenAndRead(t *testing.T) {
	a := artifacttest.FullVersion(t, artifacttest.Version, "text")
	classic := sign.Tag(a.Descriptor.Digest)
	for name, tt := range map[string]struct {
		formats []sign.Format
		tags    []string // of the manifests with signatures
	}{
		"classic alone": {[]sign.Format{sign.Classic}, []string{classic}},
		"bundle alone":  {[]sign.Format{sign.Bundle}, []string{""}},
		"both":          {[]sign.Format{sign.Classic, sign.Bundle}, []string{classic, ""}},
	} {
		t.Run(name, func(t *testing.T) {
			eachReferrersStore(t, func(t *testing.T, s *registry.Store) {
				signer := bundler(t, 0, tt.formats...)
				storetest.Publish(t, s, a, signer)
				if _, keys, err := load(t, s, artifacttest.Version, signer.Verifier()); err != nil || !slices.Equal(keys, []string{signer.KeyID()}) {
					t.Errorf("keys %v, %v", keys, err)
				}
				if _, _, err := load(t, s, artifacttest.Version, signtest.Signer(t, 1).Verifier()); !errors.Is(err, sign.ErrUntrusted) {
					t.Errorf("with another key: %v", err)
				}
				if got := storetest.Publish(t, s, a, signer); got != registry.Exists {
					t.Errorf("publishing again: %v", got)
				}
				manifests, err := s.SignatureManifests(t.Context(), repo, a.Descriptor.Digest)
				var tags []string
				for _, m := range manifests {
					tags = append(tags, m.Tag)
				}
				if err != nil || !slices.Equal(tags, tt.tags) {
					t.Errorf("manifests with signatures: %q, %v; want %q", tags, err, tt.tags)
				}
			})
		})
	}
}

func TestFormatThatIsMissingIsAdded(t *testing.T) {
	a := artifacttest.FullVersion(t, artifacttest.Version, "text")
	eachReferrersStore(t, func(t *testing.T, s *registry.Store) {
		storetest.Publish(t, s, a, bundler(t, 0, sign.Classic))
		both := bundler(t, 0, sign.Classic, sign.Bundle)
		if _, done, err := s.Confirm(t.Context(), artifacttest.Version, false, both); done || err != nil {
			t.Errorf("confirmed %v, %v", done, err)
		}
		for _, want := range []registry.Outcome{registry.SignatureAdded, registry.Exists} {
			if got := storetest.Publish(t, s, a, both); got != want {
				t.Errorf("publishing: %v, want %v", got, want)
			}
		}
		sigs, err := s.Signatures(t.Context(), repo, a.Descriptor.Digest)
		if err != nil || len(sigs) != 2 || sigs[0].Format != sign.Classic || sigs[1].Format != sign.Bundle {
			t.Errorf("signatures %v, %v", sigs, err)
		}
	})
}

func TestSignersAtTheSameTimeDoNotLoseBundles(t *testing.T) {
	eachReferrersStore(t, func(t *testing.T, s *registry.Store) {
		subject, _ := storetest.Image(t, s, repo, "v1.0.0")
		var g errgroup.Group
		for i := range 12 {
			g.Go(func() error {
				image, err := sign.Referrer(subject, signtest.Bundle(t, 0, fmt.Sprintf(`{"n":%d}`, i)))
				if err != nil {
					return err
				}
				for _, b := range image.Blobs {
					if err := s.PushBlob(t.Context(), repo, b); err != nil {
						return err
					}
				}
				return s.PushManifest(t.Context(), repo, image.Descriptor, image.Raw, "")
			})
		}
		if err := g.Wait(); err != nil {
			t.Fatal(err)
		}
		if list, err := s.Referrers(t.Context(), repo, subject.Digest); err != nil || len(list) != 12 {
			t.Errorf("%d are listed, %v; want all 12", len(list), err)
		}
	})
}

func TestCopiedBundlesAreListed(t *testing.T) {
	a := artifacttest.FullVersion(t, artifacttest.Version, "text")
	signer := bundler(t, 0, sign.Classic, sign.Bundle)
	_, src := newRegistry(t, registrytest.Options{})
	storetest.Publish(t, src, a, signer)
	manifests, err := src.SignatureManifests(t.Context(), repo, a.Descriptor.Digest)
	if err != nil {
		t.Fatal(err)
	}
	eachReferrersStore(t, func(t *testing.T, dst *registry.Store) {
		pushAll(t, dst, a.Blobs)
		for _, m := range manifests {
			pushAll(t, dst, blobsOf(t, src, m))
			if err := dst.PushManifest(t.Context(), repo, m.Descriptor, m.Raw, m.Tag); err != nil {
				t.Fatal(err)
			}
		}
		if err := dst.PushManifest(t.Context(), repo, a.Descriptor, a.Raw, "v1.2.3"); err != nil {
			t.Fatal(err)
		}
		copied, err := dst.SignatureManifests(t.Context(), repo, a.Descriptor.Digest)
		if err != nil || len(copied) != 2 || copied[1].Descriptor.Digest != manifests[1].Descriptor.Digest {
			t.Errorf("%d manifests, %v; want both, with their digests", len(copied), err)
		}
	})
}

// blobsOf reads the config and the layers of a manifest with signatures.
func blobsOf(t *testing.T, s *registry.Store, m registry.SignatureManifest) (blobs []artifact.Blob) {
	t.Helper()
	var parsed ocispec.Manifest
	if err := json.Unmarshal(m.Raw, &parsed); err != nil {
		t.Fatal(err)
	}
	for _, d := range append(parsed.Layers, parsed.Config) {
		rc, err := s.Blob(t.Context(), repo, d)
		if err != nil {
			t.Fatal(err)
		}
		data, err := io.ReadAll(rc)
		if err := errors.Join(err, rc.Close()); err != nil {
			t.Fatal(err)
		}
		blobs = append(blobs, artifact.NewBlob(d.MediaType, data))
	}
	return blobs
}

func TestBundleThatIsNoSignatureOfTheVersion(t *testing.T) {
	a := artifacttest.FullVersion(t, artifacttest.Version, "text")
	other := artifacttest.FullVersion(t, artifacttest.Version, "other text")
	ofOther, err := signtest.Signer(t, 0).SignBundle(t.Context(), other.Descriptor.Digest)
	if err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		sig  sign.Signature
		want string
	}{
		"attestation":             {signtest.Attestation(t, 0, a.Descriptor.Digest), "an attestation is not a signature"},
		"signature of another":    {ofOther, "for another digest"},
		"statement that is none":  {signtest.Bundle(t, 0, `[]`), "not by a trusted key"},
		"bundle that is not JSON": {sign.Signature{Format: sign.Bundle, Payload: []byte("?")}, "not a sigstore bundle"},
	} {
		t.Run(name, func(t *testing.T) {
			eachReferrersStore(t, func(t *testing.T, s *registry.Store) {
				storetest.Publish(t, s, a, nil)
				attach(t, s, a.Descriptor, tt.sig)
				_, _, err := load(t, s, artifacttest.Version, signtest.Signer(t, 0).Verifier())
				if !errors.Is(err, sign.ErrUntrusted) || !strings.Contains(err.Error(), tt.want) {
					t.Errorf("%v; want ErrUntrusted, %q", err, tt.want)
				}
				storetest.Publish(t, s, a, bundler(t, 0, sign.Bundle)) // it hides no good one
				if _, _, err := load(t, s, artifacttest.Version, signtest.Signer(t, 0).Verifier()); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

func TestClassicSignatureThatSufficesCostsNoMoreRequests(t *testing.T) {
	a := artifacttest.FullVersion(t, artifacttest.Version, "text")
	reg, s := newRegistry(t, registrytest.Options{})
	storetest.Publish(t, s, a, bundler(t, 0, sign.Classic, sign.Bundle))
	reg.Reset()
	if _, _, err := load(t, s, artifacttest.Version, signtest.Signer(t, 0).Verifier()); err != nil {
		t.Fatal(err)
	}
	if got := len(reg.Requests()); got != 2 {
		t.Errorf("%d requests, want two: the version and its .sig", got)
	}
}

func TestOutageOfReferrersIsNotAbsence(t *testing.T) {
	a := artifacttest.FullVersion(t, artifacttest.Version, "text")
	reg, s := newRegistry(t, registrytest.Options{})
	storetest.Publish(t, s, a, bundler(t, 0, sign.Bundle))
	for name, tt := range map[string]struct {
		fault registrytest.Fault
		want  error
	}{
		"the list fails":                  {registrytest.InternalError().On("", registrytest.Referrers), registry.ErrUnavailable},
		"the list is denied":              {registrytest.Denied().On("", registrytest.Referrers), registry.ErrDenied},
		"the list breaks off":             {registrytest.TruncatedBody().On("", registrytest.Referrers), registry.ErrUnavailable},
		"a referrer fails":                {registrytest.InternalError().On("", registrytest.Manifest).For(referrer(t, s, a)), registry.ErrUnavailable},
		"there is no list and no tag":     {registrytest.InternalError().On("", registrytest.Manifest).For(registry.ReferrersTag(a.Descriptor.Digest)), registry.ErrUnavailable},
		"a referrer is listed but is not": {registrytest.Answer(http.StatusNotFound, "MANIFEST_UNKNOWN", "").For(referrer(t, s, a)), sign.ErrUnsigned},
	} {
		t.Run(name, func(t *testing.T) {
			reg.Heal()
			if strings.Contains(name, "no list") {
				reg.Inject(registrytest.NoReferrers())
			}
			reg.Inject(tt.fault)
			s := open(t, newClient(t, remote.ClientOptions{}), reg.Host()+"/"+namespace) // which remembers nothing
			_, _, err := load(t, s, artifacttest.Version, signtest.Signer(t, 0).Verifier())
			if !errors.Is(err, tt.want) || tt.want != sign.ErrUnsigned && errors.Is(err, sign.ErrUnsigned) {
				t.Errorf("%v; want %v", err, tt.want)
			}
		})
	}
}

// referrer returns the digest of the bundle's manifest.
func referrer(t *testing.T, s *registry.Store, a *artifact.Artifact) string {
	t.Helper()
	list, err := s.Referrers(t.Context(), repo, a.Descriptor.Digest)
	if err != nil || len(list) != 1 {
		t.Fatal(list, err)
	}
	return list[0].Digest.String()
}

func TestReferrersBeyondTheLimitAreNotReadAndTold(t *testing.T) {
	a := artifacttest.FullVersion(t, artifacttest.Version, "text")
	reg, s := newRegistry(t, registrytest.Options{})
	storetest.Publish(t, s, a, nil)
	for i := range 70 {
		attach(t, s, a.Descriptor, signtest.Bundle(t, 1, fmt.Sprintf(`{"n":%d}`, i)))
	}
	reg.Reset()
	_, _, err := load(t, s, artifacttest.Version, signtest.Signer(t, 0).Verifier())
	if !errors.Is(err, sign.ErrUntrusted) || !strings.Contains(err.Error(), "of 70 referrers only the first 64 were read") {
		t.Error(err)
	}
	if got := reg.Count(http.MethodGet, registrytest.Manifest); got != 66 {
		t.Errorf("%d manifests were read, want the version, .sig and 64", got)
	}
}
