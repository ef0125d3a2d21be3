package registry_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/modferry/modferry/artifact"
	"github.com/modferry/modferry/artifact/artifacttest"
	"github.com/modferry/modferry/artifact/sign"
	"github.com/modferry/modferry/artifact/sign/signtest"
	"github.com/modferry/modferry/registry"
	"github.com/modferry/modferry/registry/remote/registrytest"
	"github.com/modferry/modferry/registry/storetest"
)

func TestRequestsOfPublishing(t *testing.T) {
	reg, s := newRegistry(t, registrytest.Options{})
	signer := signtest.Signer(t, 0)
	a := artifacttest.FullVersion(t, artifacttest.Version, "text")
	pinned, unpinned := registry.PublishOptions{Signer: signer, Recorded: true}, registry.PublishOptions{Signer: signer}
	for _, test := range []struct {
		name    string
		a       *artifact.Artifact
		o       registry.PublishOptions
		outcome registry.Outcome
		all     int
		writes  int
	}{
		{"new", a, pinned, registry.Published, 15 + 1, 13}, // the first absence is confirmed, until a push shows that this is no cache
		{"existing", a, pinned, registry.Exists, 2, 0},
		{"existing and unsigned by choice", a, registry.PublishOptions{}, registry.Exists, 1, 0},
		{"other key", a, registry.PublishOptions{Signer: signtest.Signer(t, 1)}, registry.SignatureAdded, 2 + 2*2 + 1, 2*2 + 1},
		{"new and not pinned", artifacttest.FullVersion(t, artifacttest.Later("v1.3.0"), "text"), unpinned, registry.Published, 17, 13},
		{"new and mod-only", artifacttest.ModOnlyVersion(t, artifacttest.Version), pinned, registry.Published, 13, 11},
		{"new and unsigned", artifacttest.FullVersion(t, artifacttest.Later("v1.4.0"), "text"), registry.PublishOptions{Recorded: true}, registry.Published, 9, 8},
	} {
		reg.Reset()
		outcome, err := s.Publish(t.Context(), test.a, test.o)
		if err != nil || outcome != test.outcome {
			t.Errorf("%s: %v, %v; want %v", test.name, outcome, err, test.outcome)
		}
		all := len(reg.Requests())
		writes := all - reg.Count(http.MethodGet, "") - reg.Count(http.MethodHead, "")
		if all != test.all || writes != test.writes {
			t.Errorf("%s: %d requests, %d of them writing; want %d and %d", test.name, all, writes, test.all, test.writes)
		}
	}
}

func TestVersionIsVisibleLast(t *testing.T) {
	reg, s := newRegistry(t, registrytest.Options{})
	a := artifacttest.FullVersion(t, artifacttest.Version, "text")
	storetest.Publish(t, s, a, signtest.Signer(t, 1))
	var order []string
	for _, r := range reg.Requests() {
		if r.Method == http.MethodPut && r.Kind == registrytest.Manifest {
			order = append(order, r.Reference)
		}
	}
	want := []string{a.Descriptor.Digest.String(), sign.Tag(a.Descriptor.Digest), "v1.2.3"}
	if !slices.Equal(order, want) {
		t.Errorf("manifests were pushed as %v, want %v", order, want)
	}
}

func TestInterruptedPublishingIsResumed(t *testing.T) {
	reg, s := newRegistry(t, registrytest.Options{})
	signer := signtest.Signer(t, 0)
	a := artifacttest.FullVersion(t, artifacttest.Version, "text")
	for _, fault := range []registrytest.Fault{
		registrytest.Denied().On(http.MethodPut, registrytest.Upload),
		registrytest.Denied().On(http.MethodPut, registrytest.Manifest).For("sha256:*"),
		registrytest.Denied().On(http.MethodPut, registrytest.Manifest).For("sha256-*"),
		registrytest.Denied().On(http.MethodPut, registrytest.Manifest).For("v1.2.3"),
	} {
		reg.Heal()
		reg.Inject(fault)
		_, err := s.Publish(t.Context(), a, registry.PublishOptions{Signer: signer})
		storetest.WantMeaning(t, err, registry.ErrDenied)
		if !strings.Contains(err.Error(), artifacttest.Version.String()) {
			t.Errorf("%v does not name the module", err)
		}
		if tags := reg.Tags(fullRepo); slices.Contains(tags, "v1.2.3") {
			t.Fatalf("a part of the version is visible: %v", tags)
		}
	}
	reg.Heal()
	storetest.Publish(t, s, a, signer)
	if _, _, err := load(t, s, artifacttest.Version, signer.Verifier()); err != nil {
		t.Error(err)
	}
}

func TestConflictIsNeverOverwritten(t *testing.T) {
	eachStore(t, func(t *testing.T, s *registry.Store) {
		first, second := artifacttest.FullVersion(t, artifacttest.Version, "first"), artifacttest.FullVersion(t, artifacttest.Version, "second")
		storetest.Publish(t, s, first, nil)
		_, err := s.Publish(t.Context(), second, registry.PublishOptions{Signer: signtest.Signer(t, 1)})
		wantConflict(t, err, first.Manifest.Sum, second.Manifest.Sum)
		if m, err := s.Find(t.Context(), artifacttest.Version); err != nil || m.Descriptor.Digest != first.Descriptor.Digest {
			t.Errorf("%v, %v; want the first", m, err)
		}
	})
}

func wantConflict(t *testing.T, err error, texts ...string) {
	t.Helper()
	var c *registry.ConflictError
	if !errors.Is(err, registry.ErrConflict) || !errors.As(err, &c) {
		t.Fatalf("%v; want a conflict", err)
	}
	for _, text := range append(texts, artifacttest.Version.String(), "v1.2.3 exists") {
		if !strings.Contains(err.Error(), text) {
			t.Errorf("%v; want %q in it", err, text)
		}
	}
}

func TestTagThatHoldsSomethingElseIsAConflict(t *testing.T) {
	eachStore(t, func(t *testing.T, s *registry.Store) {
		storetest.Image(t, s, repo, "v1.2.3")
		_, err := s.Publish(t.Context(), artifacttest.FullVersion(t, artifacttest.Version, "text"), registry.PublishOptions{})
		wantConflict(t, err, "not")
	})
}

func TestRaceLostToOtherContentIsAConflict(t *testing.T) {
	reg, s := newRegistry(t, registrytest.Options{})
	ours, theirs := artifacttest.FullVersion(t, artifacttest.Version, "ours"), artifacttest.FullVersion(t, artifacttest.Version, "theirs")
	storetest.Publish(t, s, theirs, nil)
	put := func(f registrytest.Fault) registrytest.Fault {
		return f.On(http.MethodPut, registrytest.Manifest).For("v1.2.3")
	}
	created := registrytest.Answer(http.StatusCreated, "", "")
	for _, test := range []struct {
		name   string
		before int // times that we look before theirs is there
		faults []registrytest.Fault
		pinned bool
		puts   int
	}{
		{"before the second look", 1, nil, false, 0},
		{"before a second attempt", 2, []registrytest.Fault{put(registrytest.ServiceUnavailable()).Times(1)}, false, 1},
		{"before an immutable tag is put", 2, []registrytest.Fault{put(registrytest.HarborImmutableTag())}, false, 1},
		{"before an immutable tag is put without a second look", 1, []registrytest.Fault{put(registrytest.HarborImmutableTag())}, true, 1},
		{"after our tag was put", 2, []registrytest.Fault{put(created)}, false, 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			reg.Heal()
			reg.Reset()
			for _, f := range append(test.faults, absentTag.Times(test.before)) {
				reg.Inject(f)
			}
			_, err := s.Publish(t.Context(), ours, registry.PublishOptions{Signer: signtest.Signer(t, 1), Recorded: test.pinned})
			wantConflict(t, err, theirs.Manifest.Sum+" there, "+ours.Manifest.Sum+" here")
			puts := 0
			for _, r := range reg.Requests() {
				if r.Method == http.MethodPut && r.Reference == "v1.2.3" {
					puts++
				}
			}
			if puts != test.puts {
				t.Errorf("the tag was put %d times, want %d", puts, test.puts)
			}
			if m, err := s.Find(t.Context(), artifacttest.Version); err != nil || m.Descriptor.Digest != theirs.Descriptor.Digest {
				t.Errorf("%v, %v; want theirs", m, err)
			}
		})
	}
}

// absentTag is a registry before another publisher's version is there.
var absentTag = registrytest.Answer(http.StatusNotFound, "MANIFEST_UNKNOWN", "").On(http.MethodGet, registrytest.Manifest).For("v1.2.3")

func TestRaceLostToTheSameModuleIsNone(t *testing.T) {
	reg, s := newRegistry(t, registrytest.Options{})
	signer := signtest.Signer(t, 0)
	a := artifacttest.FullVersion(t, artifacttest.Version, "text")
	storetest.Publish(t, s, a, signer)
	reg.Inject(registrytest.HarborImmutableTag().For("v1.2.3"))
	for before, pinned := range []bool{true, false} {
		reg.Inject(absentTag.Times(before + 1))
		outcome, err := s.Publish(t.Context(), a, registry.PublishOptions{Signer: signer, Recorded: pinned})
		if err != nil || outcome != registry.Exists {
			t.Errorf("pinned %v: %v, %v; want that it exists", pinned, outcome, err)
		}
	}
	reg.Inject(absentTag.Times(1)) // theirs is there at the second look
	if _, err := s.Publish(t.Context(), a, registry.PublishOptions{Signer: signer}); err != nil {
		t.Error(err)
	}
}

func TestPolicyThatRefusesThePushIsReported(t *testing.T) {
	reg, s := newRegistry(t, registrytest.Options{})
	reg.Inject(registrytest.Answer(http.StatusPreconditionFailed, "PRECONDITION", "no pushes on Sunday").On(http.MethodPut, registrytest.Manifest).For("v1.2.3"))
	_, err := s.Publish(t.Context(), artifacttest.FullVersion(t, artifacttest.Version, "text"), registry.PublishOptions{})
	storetest.WantMeaning(t, err, registry.ErrPolicy)
	if !strings.Contains(err.Error(), "no pushes on Sunday") {
		t.Errorf("%v; want the registry's message", err)
	}
}

func TestSignaturesAreAppended(t *testing.T) {
	eachStore(t, func(t *testing.T, s *registry.Store) {
		a := artifacttest.FullVersion(t, artifacttest.Version, "text")
		all := []*sign.Signer{signtest.Signer(t, 0), signtest.Signer(t, 1), signtest.Signer(t, 2)}
		for i, signer := range all {
			if outcome := storetest.Publish(t, s, a, signer); outcome != []registry.Outcome{registry.Published, registry.SignatureAdded, registry.SignatureAdded}[i] {
				t.Errorf("signer %d: %v", i, outcome)
			}
			if outcome := storetest.Publish(t, s, a, signer); outcome != registry.Exists {
				t.Errorf("signer %d again: %v", i, outcome)
			}
		}
		for i, signer := range all {
			if _, _, err := load(t, s, artifacttest.Version, signer.Verifier()); err != nil {
				t.Errorf("signer %d: %v", i, err)
			}
		}
	})
}

func TestWeDoNotVouchForWhatWeDidNotCheck(t *testing.T) {
	eachStore(t, func(t *testing.T, s *registry.Store) {
		ours := artifacttest.FullVersion(t, artifacttest.Version, "text")
		theirs := rebuilt(t)
		if !theirs.Manifest.SameModule(ours.Manifest) || theirs.Descriptor.Digest == ours.Descriptor.Digest {
			t.Fatal("not the same module in another manifest")
		}
		storetest.Publish(t, s, theirs, nil)
		signer := signtest.Signer(t, 0)
		_, err := s.Publish(t.Context(), ours, registry.PublishOptions{Signer: signer})
		wantConflict(t, err, "in .info the Time is not", "not signed")
		if _, _, err := load(t, s, artifacttest.Version, signer.Verifier()); !errors.Is(err, sign.ErrUnsigned) {
			t.Errorf("%v; want unsigned", err)
		}
		if outcome := storetest.Publish(t, s, ours, nil); outcome != registry.Exists {
			t.Errorf("without signing: %v", outcome)
		}
	})
}

// rebuilt returns the same module with another .info.
func rebuilt(t *testing.T) *artifact.Artifact {
	t.Helper()
	return withInfo(t, strings.Replace(string(artifacttest.Info(artifacttest.Version)), "2024", "2014", 1))
}

func withInfo(t *testing.T, info string) *artifact.Artifact {
	t.Helper()
	return artifacttest.Build(t, artifact.Files{Module: artifacttest.Version, Info: []byte(info), GoMod: artifacttest.GoMod(artifacttest.Version), ZipFile: artifacttest.ZipFile(t, artifacttest.Version, "text")})
}

func TestSameCommitFromElsewhereIsSigned(t *testing.T) {
	const form = `{"Version":"v1.2.3","Time":"2024-03-02T01:00:00Z","Origin":{"VCS":"git","URL":"%s","Hash":"%s"}}`
	eachStore(t, func(t *testing.T, s *registry.Store) {
		ours := withInfo(t, fmt.Sprintf(form, "ssh://corp.example/lib", "0123"))
		storetest.Publish(t, s, withInfo(t, fmt.Sprintf(form, "https://corp.example/lib.git", "0123")), signtest.Signer(t, 0))
		signer := signtest.Signer(t, 1)
		if outcome, err := s.Publish(t.Context(), ours, registry.PublishOptions{Signer: signer, DryRun: true}); outcome != registry.SignatureAdded || err != nil {
			t.Errorf("dry run: %v, %v", outcome, err)
		}
		_, _, err := load(t, s, artifacttest.Version, signer.Verifier())
		storetest.WantMeaning(t, err, sign.ErrUntrusted)
		if outcome := storetest.Publish(t, s, ours, signer); outcome != registry.SignatureAdded {
			t.Errorf("%v", outcome)
		}
		if _, _, err := load(t, s, artifacttest.Version, signer.Verifier()); err != nil {
			t.Error(err)
		}
		for _, dryRun := range []bool{true, false} {
			_, err = s.Publish(t.Context(), withInfo(t, fmt.Sprintf(form, "ssh://corp.example/lib", "0124")), registry.PublishOptions{Signer: signtest.Signer(t, 2), DryRun: dryRun})
			wantConflict(t, err, "in .info the Origin.Hash is not", "not signed")
		}
	})
}

func TestDryRunWritesNothing(t *testing.T) {
	eachStore(t, func(t *testing.T, s *registry.Store) {
		a, dryRun := artifacttest.FullVersion(t, artifacttest.Version, "text"), registry.PublishOptions{Signer: signtest.Signer(t, 0), DryRun: true}
		if outcome, err := s.Publish(t.Context(), a, dryRun); outcome != registry.Published || err != nil {
			t.Errorf("%v, %v", outcome, err)
		}
		if _, err := s.Find(t.Context(), artifacttest.Version); !errors.Is(err, registry.ErrNotFound) && !errors.Is(err, registry.ErrNoLayout) {
			t.Errorf("%v; want that it is not there", err)
		}
		storetest.Publish(t, s, a, signtest.Signer(t, 0))
		if outcome, err := s.Publish(t.Context(), a, dryRun); outcome != registry.Exists || err != nil {
			t.Errorf("%v, %v", outcome, err)
		}
	})
}

// What somebody with a push account could do: annotations are easily written.
func TestWeDoNotVouchForAZipThatIsOnlySaidToBeTheSame(t *testing.T) {
	eachStore(t, func(t *testing.T, s *registry.Store) {
		ours, other := artifacttest.FullVersion(t, artifacttest.Version, "text"), artifacttest.FullVersion(t, artifacttest.Version, "malicious text")
		forged := strings.NewReplacer(
			ours.Manifest.Zip.Digest.String(), other.Manifest.Zip.Digest.String(),
			fmt.Sprintf(`"size":%d`, ours.Manifest.Zip.Size), fmt.Sprintf(`"size":%d`, other.Manifest.Zip.Size),
		).Replace(string(ours.Raw))
		b := artifact.NewBlob(ocispec.MediaTypeImageManifest, []byte(forged))
		pushAll(t, s, slices.Concat(ours.Blobs, other.Blobs))
		if err := s.PushManifest(t.Context(), repo, b.Descriptor, []byte(forged), "v1.2.3"); err != nil {
			t.Fatal(err)
		}
		signer := signtest.Signer(t, 0)
		_, err := s.Publish(t.Context(), ours, registry.PublishOptions{Signer: signer})
		wantConflict(t, err, "zip layer", "not signed")
		if _, _, err := load(t, s, artifacttest.Version, signer.Verifier()); !errors.Is(err, sign.ErrUnsigned) {
			t.Errorf("%v; want unsigned", err)
		}
	})
}

func TestWeDoNotVouchForWhatStandsBesideTheModule(t *testing.T) {
	for name, forge := range map[string]func(m *ocispec.Manifest, config *artifact.Blob){
		"an annotation": func(m *ocispec.Manifest, _ *artifact.Blob) { m.Annotations["com.example.approved-by"] = "the board" },
		"an address": func(m *ocispec.Manifest, _ *artifact.Blob) {
			m.Annotations[ocispec.AnnotationSource] = "https://corp.example/elsewhere"
		},
		"an image config": func(m *ocispec.Manifest, config *artifact.Blob) {
			*config = artifact.NewBlob(ocispec.MediaTypeImageConfig, []byte(`{"os":"linux","architecture":"unknown","config":{"Entrypoint":["sh"]},"rootfs":{"type":"layers","diff_ids":[]}}`))
			m.Config = config.Descriptor
		},
	} {
		t.Run(name, func(t *testing.T) {
			eachStore(t, func(t *testing.T, s *registry.Store) {
				ours := artifacttest.FullVersion(t, artifacttest.Version, "text")
				var m ocispec.Manifest
				if err := json.Unmarshal(ours.Raw, &m); err != nil {
					t.Fatal(err)
				}
				blobs := slices.Clone(ours.Blobs)
				forge(&m, &blobs[0])
				raw, err := json.Marshal(m)
				if err != nil {
					t.Fatal(err)
				}
				pushAll(t, s, blobs)
				if err := s.PushManifest(t.Context(), repo, artifact.NewBlob(ocispec.MediaTypeImageManifest, raw).Descriptor, raw, "v1.2.3"); err != nil {
					t.Fatal(err)
				}
				signer := signtest.Signer(t, 0)
				_, err = s.Publish(t.Context(), ours, registry.PublishOptions{Signer: signer})
				wantConflict(t, err, "not what modferry makes of this module", "not signed")
				if _, _, err := load(t, s, artifacttest.Version, signer.Verifier()); !errors.Is(err, sign.ErrUnsigned) {
					t.Errorf("%v; want unsigned", err)
				}
			})
		})
	}
}

func TestPublishedButHeldBackIsPublished(t *testing.T) {
	reg, s := newRegistry(t, registrytest.Options{})
	reg.Inject(registrytest.HarborPolicyViolation())
	reg.Inject(absentTag.Times(2))
	outcome, err := s.Publish(t.Context(), artifacttest.FullVersion(t, artifacttest.Version, "text"), registry.PublishOptions{Signer: signtest.Signer(t, 1)})
	if err != nil || outcome != registry.Published {
		t.Errorf("%v, %v", outcome, err)
	}
}

func TestConfirm(t *testing.T) {
	reg, s := newRegistry(t, registrytest.Options{})
	signer := signtest.Signer(t, 0)
	_, _, err := s.Confirm(t.Context(), artifacttest.Version, false, signer)
	storetest.WantMeaning(t, err, registry.ErrNotFound)
	storetest.Publish(t, s, artifacttest.FullVersion(t, artifacttest.Version, "text"), signer)
	reg.Reset()
	if _, done, err := s.Confirm(t.Context(), artifacttest.Version, false, signer); !done || err != nil {
		t.Errorf("%v, %v; want done", done, err)
	}
	if n := len(reg.Requests()); n != 2 {
		t.Errorf("%d requests, want 2", n)
	}
	if _, done, err := s.Confirm(t.Context(), artifacttest.Version, false, nil); !done || err != nil {
		t.Errorf("without a signer: %v, %v; want done", done, err)
	}
	if m, done, err := s.Confirm(t.Context(), artifacttest.Version, false, signtest.Signer(t, 1)); done || m == nil || err != nil {
		t.Errorf("other signer: %v, %v; want not done", done, err)
	}
	reg.Inject(registrytest.InternalError().For("sha256-*"))
	_, _, err = s.Confirm(t.Context(), artifacttest.Version, false, signer)
	storetest.WantMeaning(t, err, registry.ErrUnavailable)
}
