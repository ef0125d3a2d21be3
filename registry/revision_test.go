package registry_test

import (
	"bytes"
	"errors"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/modferry/modferry/artifact"
	"github.com/modferry/modferry/artifact/artifacttest"
	"github.com/modferry/modferry/artifact/sign"
	"github.com/modferry/modferry/artifact/sign/signtest"
	"github.com/modferry/modferry/registry"
	"github.com/modferry/modferry/registry/remote"
	"github.com/modferry/modferry/registry/remote/registrytest"
	"github.com/modferry/modferry/registry/storetest"
)

const commit = "0123456789abcdef0123456789abcdef01234567"

// meaning returns what a name of the module means in these tests.
func meaning(name, v string) artifact.Revision {
	return artifact.Revision{Path: artifacttest.Version.Path, Name: name, Version: v}
}

func record(t testing.TB, s *registry.Store, r artifact.Revision, signer *sign.Signer) {
	t.Helper()
	if err := s.PublishRevision(t.Context(), r, signer); err != nil {
		t.Fatal(err)
	}
}

// wantRevision checks what a store has recorded, for each signer.
func wantRevision(t testing.TB, s *registry.Store, want artifact.Revision, by ...*sign.Signer) {
	t.Helper()
	for i, signer := range by {
		got, err := s.Revision(t.Context(), want.Path, want.Name, signer.Verifier())
		if err != nil || *got != want {
			t.Errorf("signer %d: %+v, %v; want %+v", i, got, err, want)
		}
	}
}

func TestRevisionIsReadBack(t *testing.T) {
	signer := signtest.Signer(t, 0)
	bothKinds(t, func(t *testing.T, s *registry.Store) {
		if _, err := s.Revision(t.Context(), artifacttest.Version.Path, "main", signer.Verifier()); !errors.Is(err, registry.ErrNotFound) && !errors.Is(err, registry.ErrNoLayout) {
			t.Errorf("before there is any: %v", err)
		}
		storetest.Publish(t, s, artifacttest.FullVersion(t, artifacttest.Version, "x"), signer)
		names := []string{"main", "Main", "v1", commit, "v1.2.3+meta", strings.Repeat("long", 40)}
		for _, name := range names {
			record(t, s, meaning(name, artifacttest.Version.Version), signer)
			wantRevision(t, s, meaning(name, artifacttest.Version.Version), signer)
		}
		for _, name := range []string{"mai", "MAIN", commit[:12], "feature/x", ""} {
			if _, err := s.Revision(t.Context(), artifacttest.Version.Path, name, signer.Verifier()); !errors.Is(err, registry.ErrNotFound) {
				t.Errorf("%q: %v", name, err)
			}
		}
		versions, revisions, err := s.Listing(t.Context(), artifacttest.Version.Path)
		if err != nil || !reflect.DeepEqual(versions, []registry.Listed{{Version: artifacttest.Version.Version}}) {
			t.Errorf("versions %v, %v", versions, err)
		}
		if want := []string{commit, "Main", "main", "v1"}; !slices.Equal(revisions, want) {
			t.Errorf("revisions %q, want %q", revisions, want)
		}
	})
}

func TestRevisionsThatCannotBeRecorded(t *testing.T) {
	_, s := newRegistry(t, registrytest.Options{})
	for _, r := range []artifact.Revision{meaning("feature/x", "v1.2.3"), meaning("v1.2.3", "v1.2.4")} {
		if err := s.PublishRevision(t.Context(), r, nil); !errors.Is(err, artifact.ErrRevision) {
			t.Errorf("%v: %v", r, err)
		}
	}
	if err := s.PublishRevision(t.Context(), meaning("main", "v1.2"), nil); err == nil || !strings.Contains(err.Error(), `"v1.2" is not a whole version`) {
		t.Error("recorded for a version that is none")
	}
}

func TestRevisionMoves(t *testing.T) {
	ours, theirs := signtest.Signer(t, 0), signtest.Signer(t, 1)
	bothKinds(t, func(t *testing.T, s *registry.Store) {
		old, now := meaning("main", "v1.2.3"), meaning("main", "v1.3.0")
		record(t, s, old, ours)
		record(t, s, old, theirs)
		wantRevision(t, s, old, ours, theirs)
		record(t, s, now, ours)
		wantRevision(t, s, now, ours)
		if _, err := s.Revision(t.Context(), now.Path, now.Name, theirs.Verifier()); !errors.Is(err, sign.ErrUntrusted) {
			t.Errorf("they never signed it: %v", err)
		}
		record(t, s, old, ours)
		wantRevision(t, s, old, ours, theirs) // their signature is still there
		if _, revisions, err := s.Listing(t.Context(), old.Path); err != nil || !slices.Equal(revisions, []string{"main"}) {
			t.Errorf("revisions %v, %v", revisions, err)
		}
	})
}

func TestMovedRevisionIsSeenByAnOpenLayout(t *testing.T) {
	ref := "oci:" + t.TempDir() + "/layout"
	writer, reader := open(t, newClient(t, remote.ClientOptions{}), ref), open(t, newClient(t, remote.ClientOptions{}), ref)
	signer := signtest.Signer(t, 0)
	for _, v := range []string{"v1.2.3", "v1.3.0", "v1.2.3"} {
		record(t, writer, meaning("main", v), signer)
		wantRevision(t, reader, meaning("main", v), signer)
	}
	if err := writer.Close(); err != nil { // folds the journal
		t.Fatal(err)
	}
	wantRevision(t, reader, meaning("main", "v1.2.3"), signer)
	wantRevision(t, open(t, newClient(t, remote.ClientOptions{}), ref), meaning("main", "v1.2.3"), signer)
}

func TestRequestsOfARevision(t *testing.T) {
	reg, s := newRegistry(t, registrytest.Options{})
	signer := signtest.Signer(t, 0)
	for _, step := range []struct {
		what  string
		limit int
		do    func()
	}{
		{"recording", 11 + 1, func() { record(t, s, meaning("main", "v1.2.3"), signer) }}, // look, blob, manifest, look and push 3 for the signature, tag; the first absence is confirmed
		{"recording again", 2, func() { record(t, s, meaning("main", "v1.2.3"), signer) }},
		{"moving", 11, func() { record(t, s, meaning("main", "v1.3.0"), signer) }},
		{"reading", 2, func() { wantRevision(t, s, meaning("main", "v1.3.0"), signer) }},
	} {
		reg.Reset()
		step.do()
		if n := len(reg.Requests()); n > step.limit {
			t.Errorf("%s took %d requests, want %d at most", step.what, n, step.limit)
		}
	}
	reg.Reset()
	record(t, s, meaning("main", "v1.3.0"), signer)
	if n := reg.Count(http.MethodGet, ""); n != 2 || len(reg.Requests()) != 2 {
		t.Errorf("%v; want two GET requests", reg.Requests())
	}
}

func TestRevisionIsTaggedLast(t *testing.T) {
	reg, s := newRegistry(t, registrytest.Options{})
	reg.Inject(registrytest.Denied().On(http.MethodPut, registrytest.Manifest).For("sha256-*"))
	if err := s.PublishRevision(t.Context(), meaning("main", "v1.2.3"), signtest.Signer(t, 0)); !errors.Is(err, registry.ErrDenied) {
		t.Errorf("could not be signed: %v", err)
	}
	if tags := reg.Tags(fullRepo); len(tags) > 0 {
		t.Errorf("tags %v", tags)
	}
}

func TestUnsignedRevisionIsSignedLater(t *testing.T) {
	bothKinds(t, func(t *testing.T, s *registry.Store) {
		r := meaning("main", "v1.2.3")
		record(t, s, r, nil)
		record(t, s, r, nil)
		if _, err := s.Revision(t.Context(), r.Path, r.Name, signtest.Signer(t, 0).Verifier()); !errors.Is(err, sign.ErrUnsigned) {
			t.Errorf("unsigned: %v", err)
		}
		record(t, s, r, signtest.Signer(t, 0))
		wantRevision(t, s, r, signtest.Signer(t, 0))
	})
}

// Anyone who may push can put what is signed in another place.
func TestRevisionInAnotherPlaceIsRefused(t *testing.T) {
	reg, s := newRegistry(t, registrytest.Options{})
	signer := signtest.Signer(t, 0)
	record(t, s, meaning("main", "v1.2.3"), signer)
	record(t, s, meaning("release", "v1.1.0"), signer)
	reg.SetManifest(fullRepo, "rev-release", reg.Manifest(fullRepo, "rev-main"))
	if _, err := s.Revision(t.Context(), artifacttest.Version.Path, "release", signer.Verifier()); !errors.Is(err, artifact.ErrIdentity) {
		t.Errorf("main under the tag of release: %v", err)
	}
	if err := reg.CopyRepository(fullRepo, namespace+"/example.com/other"); err != nil {
		t.Fatal(err)
	}
	_, err := s.Revision(t.Context(), "example.com/other", "main", signer.Verifier())
	if !errors.Is(err, artifact.ErrIdentity) || !strings.Contains(err.Error(), "corp.example/Lib@main") {
		t.Errorf("main of another module: %v", err)
	}
	storetest.Publish(t, s, artifacttest.ModOnlyVersion(t, artifacttest.Version), signer)
	reg.SetManifest(fullRepo, "rev-release", reg.Manifest(fullRepo, "v1.2.3.mod"))
	if _, err := s.Revision(t.Context(), artifacttest.Version.Path, "release", signer.Verifier()); !errors.Is(err, registry.ErrCorrupt) {
		t.Errorf("a version as a revision: %v", err)
	}
	reg.SetManifest(fullRepo, "v1.2.4", reg.Manifest(fullRepo, "rev-main"))
	if _, err := s.Find(t.Context(), artifacttest.Later("v1.2.4")); !errors.Is(err, artifact.ErrNotModule) {
		t.Errorf("a revision as a version: %v", err)
	}
	record(t, s, meaning("release", "v1.1.0"), signer) // mends it
	wantRevision(t, s, meaning("release", "v1.1.0"), signer)
}

func TestImmutableTagsOfRevisions(t *testing.T) {
	reg, s := newRegistry(t, registrytest.Options{})
	ours, theirs := signtest.Signer(t, 0), signtest.Signer(t, 1)
	reg.Inject(registrytest.HarborImmutableTag().For("rev-main"))
	record(t, s, meaning("main", "v1.2.3"), ours)
	record(t, s, meaning("main", "v1.2.3"), theirs)
	wantRevision(t, s, meaning("main", "v1.2.3"), ours, theirs)

	err := s.PublishRevision(t.Context(), meaning("main", "v1.3.0"), ours)
	if !errors.Is(err, registry.ErrPolicy) {
		t.Errorf("moved in spite of the rule: %v", err)
	}
	for _, part := range []string{"corp.example/Lib@main means v1.3.0", "it meant v1.2.3", "rev*", "immutab"} {
		if err != nil && !strings.Contains(err.Error(), part) {
			t.Errorf("no %q in: %v", part, err)
		}
	}
	wantRevision(t, s, meaning("main", "v1.2.3"), ours, theirs)
}

func TestImmutableTagThatSomebodyFasterSet(t *testing.T) {
	reg, s := newRegistry(t, registrytest.Options{})
	record(t, s, meaning("main", "v1.2.3"), signtest.Signer(t, 1))
	reg.Inject(registrytest.HarborImmutableTag().For("rev-main"))
	reg.Inject(registrytest.Answer(http.StatusNotFound, "MANIFEST_UNKNOWN", "").On(http.MethodGet, registrytest.Manifest).For("rev-main").Times(1))
	record(t, s, meaning("main", "v1.2.3"), signtest.Signer(t, 0))
	wantRevision(t, s, meaning("main", "v1.2.3"), signtest.Signer(t, 0), signtest.Signer(t, 1))
}

func TestOutageIsNoAbsenceOfARevision(t *testing.T) {
	reg, s := newRegistry(t, registrytest.Options{})
	signer := signtest.Signer(t, 0)
	record(t, s, meaning("main", "v1.2.3"), signer)
	for want, fault := range map[error]registrytest.Fault{registry.ErrUnavailable: registrytest.InternalError(), registry.ErrDenied: registrytest.Denied()} {
		reg.Heal()
		reg.Inject(fault.On(http.MethodGet, registrytest.Manifest))
		reg.Reset()
		storetest.WantMeaning(t, s.PublishRevision(t.Context(), meaning("main", "v1.3.0"), signer), want)
		if n := reg.Count(http.MethodPut, "") + reg.Count(http.MethodPost, ""); n > 0 {
			t.Errorf("%d pushes", n)
		}
		if _, err := s.Revision(t.Context(), artifacttest.Version.Path, "main", signer.Verifier()); err == nil || errors.Is(err, registry.ErrNotFound) {
			t.Errorf("reading: %v", err)
		}
		reg.Heal()
	}
}

// What another program wrote is not signed unread: it may say more than we compared.
func TestRevisionWrittenDifferentlyIsReplacedNotSigned(t *testing.T) {
	reg, s := newRegistry(t, registrytest.Options{})
	signer := signtest.Signer(t, 0)
	record(t, s, meaning("main", "v1.2.3"), nil)
	ours := reg.Manifest(fullRepo, "rev-main")
	theirs := bytes.Replace(ours, []byte(`"annotations":{`), []byte(`"annotations":{"corp.example.approved":"yes",`), 1)
	d := reg.SetManifest(fullRepo, "rev-main", theirs)
	record(t, s, meaning("main", "v1.2.3"), signer)
	wantRevision(t, s, meaning("main", "v1.2.3"), signer)
	if !bytes.Equal(reg.Manifest(fullRepo, "rev-main"), ours) || reg.Manifest(fullRepo, sign.Tag(d)) != nil {
		t.Error("what they wrote was kept or signed")
	}
}
