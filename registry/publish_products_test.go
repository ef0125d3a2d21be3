package registry_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/modferry/modferry/artifact/artifacttest"
	"github.com/modferry/modferry/artifact/sign/signtest"
	"github.com/modferry/modferry/registry"
	"github.com/modferry/modferry/registry/remote/registrytest"
	"github.com/modferry/modferry/registry/storetest"
)

func TestWhatMayNotBeReadUnsignedIsSignedByWhatItMustBe(t *testing.T) {
	reg, s := newRegistry(t, registrytest.Options{})
	a := artifacttest.FullVersion(t, artifacttest.Version, "text")
	storetest.Publish(t, s, a, nil)
	reg.Inject(registrytest.HarborUnsigned())
	signer := signtest.Signer(t, 0)
	for _, recorded := range []bool{true, false} {
		want := registry.SignatureAdded
		if !recorded {
			want = registry.Exists
		}
		outcome, err := s.Publish(t.Context(), a, registry.PublishOptions{Signer: signer, Recorded: recorded})
		if err != nil || outcome != want {
			t.Errorf("%v, %v; want %v", outcome, err, want)
		}
	}
	if _, _, err := load(t, s, artifacttest.Version, signer.Verifier()); err != nil {
		t.Error(err)
	}
}

func TestOtherContentThatMayNotBeReadUnsignedNamesThePolicyToLift(t *testing.T) {
	reg, s := newRegistry(t, registrytest.Options{})
	first := artifacttest.FullVersion(t, artifacttest.Version, "first")
	storetest.Publish(t, s, first, nil)
	reg.Inject(registrytest.HarborUnsigned())
	second := artifacttest.FullVersion(t, artifacttest.Version, "second")
	_, err := s.Publish(t.Context(), second, registry.PublishOptions{Signer: signtest.Signer(t, 0)})
	if !errors.Is(err, registry.ErrPolicy) || !strings.Contains(err.Error(), "lift the policy") {
		t.Errorf("%v", err)
	}
	reg.Heal()
	if m, err := s.Find(t.Context(), artifacttest.Version); err != nil || m.Descriptor.Digest != first.Descriptor.Digest {
		t.Errorf("%v, %v; want the first", m, err)
	}
}

func TestATagThatTheRegistryFoldsIsReported(t *testing.T) {
	reg, s := newRegistry(t, registrytest.Options{FoldTags: true})
	for _, v := range []string{"v1.3.0", "v1.3.0-rc1"} {
		storetest.Publish(t, s, artifacttest.FullVersion(t, artifacttest.Later(v), "text"), nil)
	}
	if n := reg.Count(http.MethodGet, registrytest.Tags); n != 0 {
		t.Errorf("%d listings for tags that cannot be folded", n)
	}
	a := artifacttest.FullVersion(t, artifacttest.Later("v1.4.0-RC1"), "text")
	_, err := s.Publish(t.Context(), a, registry.PublishOptions{Recorded: true})
	if !errors.Is(err, registry.ErrUnsupported) || !strings.Contains(err.Error(), "lists it as v1.4.0-rc1") {
		t.Errorf("%v", err)
	}
	signer := signtest.Signer(t, 0)
	if _, err := s.Publish(t.Context(), a, registry.PublishOptions{Recorded: true}); !errors.Is(err, registry.ErrUnsupported) {
		t.Errorf("published again: %v", err)
	}
	if _, _, err := s.Confirm(t.Context(), a.Manifest.Module, false, signer); !errors.Is(err, registry.ErrUnsupported) {
		t.Errorf("confirmed: %v", err)
	}
	_, faithful := newRegistry(t, registrytest.Options{})
	storetest.Publish(t, faithful, a, nil)
}

// What an older modferry has published lacks the licences; it is the same module, and can be signed by another key.
func TestAVersionFromBeforeLicensesIsTheSame(t *testing.T) {
	a := artifacttest.LicensedVersion(t, artifacttest.Version, "text")
	older, err := a.WithoutLicenses()
	if err != nil || older.Descriptor.Digest == a.Descriptor.Digest {
		t.Fatalf("%v: it has no licence", err)
	}
	for name, unsigned := range map[string]bool{"signed by another key": false, "that may not be read unsigned": true} {
		reg, s := newRegistry(t, registrytest.Options{})
		first, second := signtest.Signer(t, 0), signtest.Signer(t, 1)
		if unsigned {
			storetest.Publish(t, s, older, nil)
			reg.Inject(registrytest.HarborUnsigned())
		} else {
			storetest.Publish(t, s, older, first)
		}
		outcome, err := s.Publish(t.Context(), a, registry.PublishOptions{Signer: second, Recorded: true})
		if err != nil || outcome != registry.SignatureAdded {
			t.Errorf("%s: %v, %v", name, outcome, err)
		}
		m, _, err := load(t, s, artifacttest.Version, second.Verifier())
		if err != nil || m.Descriptor.Digest != older.Descriptor.Digest {
			t.Errorf("%s: %v, %v", name, m, err)
		}
	}
}
