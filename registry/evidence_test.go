package registry_test

import (
	"bytes"
	"errors"
	"net/http"
	"reflect"
	"testing"

	"golang.org/x/mod/module"

	"github.com/modferry/modferry/artifact"
	"github.com/modferry/modferry/artifact/artifacttest"
	"github.com/modferry/modferry/artifact/sign"
	"github.com/modferry/modferry/artifact/sign/signtest"
	"github.com/modferry/modferry/registry"
	"github.com/modferry/modferry/registry/remote/registrytest"
	"github.com/modferry/modferry/registry/storetest"
)

const tileName = "sumdb/sum.example.com/tile/8/0/x001/234"

func evidenceOf(m module.Version, record string) artifact.Evidence {
	return artifact.Evidence{Module: m, Record: []byte(record), Tiles: map[string][]byte{tileName: bytes.Repeat([]byte{7}, 8192)}}
}

// readEvidence returns the evidence for a version in a store.
func readEvidence(t testing.TB, s *registry.Store, m module.Version, modOnly bool, v sign.Verifier) (artifact.Evidence, error) {
	t.Helper()
	found, err := s.FindKind(t.Context(), m, modOnly)
	if err != nil {
		t.Fatal(err)
	}
	meta, err := s.Meta(t.Context(), found)
	if err != nil {
		t.Fatal(err)
	}
	record, tiles, err := s.Evidence(t.Context(), found, meta, v)
	return artifact.Evidence{Module: m, Record: record, Tiles: tiles}, err
}

func TestEvidenceOfAMetaLayerTakesNoRequest(t *testing.T) {
	reg, s := newRegistry(t, registrytest.Options{})
	signer := signtest.Signer(t, 0)
	e := evidenceOf(artifacttest.Version, "1\nx\n\n")
	storetest.Publish(t, s, artifacttest.Build(t, artifact.Files{Module: artifacttest.Version, Info: artifacttest.Info(artifacttest.Version), GoMod: artifacttest.GoMod(artifacttest.Version), SumDB: e.Record, Tiles: e.Tiles}), signer)
	reg.Reset()
	got, err := readEvidence(t, s, artifacttest.Version, true, signer.Verifier())
	if err != nil || !reflect.DeepEqual(got, e) {
		t.Errorf("%+v, %v", got, err)
	}
	if n := len(reg.Requests()); n != 1 { // the manifest
		t.Errorf("%d requests, want 1", n)
	}
}

func TestEvidenceIsCompletedByACompanion(t *testing.T) {
	signer := signtest.Signer(t, 0)
	bothKinds(t, func(t *testing.T, s *registry.Store) {
		storetest.Publish(t, s, artifacttest.FullVersion(t, artifacttest.Version, "x"), signer)
		storetest.Publish(t, s, artifacttest.ModOnlyVersion(t, artifacttest.Version), signer)
		if _, err := readEvidence(t, s, artifacttest.Version, false, signer.Verifier()); !errors.Is(err, registry.ErrNotFound) {
			t.Errorf("before there is any: %v", err)
		}
		e := evidenceOf(artifacttest.Version, "1\nx\n\n")
		for range 2 {
			if err := s.PublishEvidence(t.Context(), e, signer); err != nil {
				t.Fatal(err)
			}
		}
		for _, modOnly := range []bool{false, true} {
			got, err := readEvidence(t, s, artifacttest.Version, modOnly, signer.Verifier())
			if err != nil || !reflect.DeepEqual(got, e) {
				t.Errorf("mod-only %v: %+v, %v", modOnly, got, err)
			}
		}
		if _, err := readEvidence(t, s, artifacttest.Version, false, signtest.Signer(t, 1).Verifier()); !errors.Is(err, sign.ErrUntrusted) {
			t.Errorf("with another key: %v", err)
		}
		if list, err := s.Versions(t.Context(), artifacttest.Version.Path); err != nil || len(list) != 2 {
			t.Errorf("versions %v, %v", list, err)
		}
	})
}

func TestRequestsOfACompanion(t *testing.T) {
	reg, s := newRegistry(t, registrytest.Options{})
	signer := signtest.Signer(t, 0)
	storetest.Publish(t, s, artifacttest.ModOnlyVersion(t, artifacttest.Version), signer)
	e := evidenceOf(artifacttest.Version, "1\nx\n\n")
	reg.Reset()
	if err := s.PublishEvidence(t.Context(), e, signer); err != nil {
		t.Fatal(err)
	}
	if n := len(reg.Requests()); n > 13 { // look, 2 blobs, manifest, look and push 3 for the signature, tag
		t.Errorf("%d requests for publishing, want 13", n)
	}
	reg.Reset()
	if err := s.PublishEvidence(t.Context(), e, signer); err != nil {
		t.Fatal(err)
	}
	if n := reg.Count(http.MethodGet, ""); n != 2 || len(reg.Requests()) != 2 {
		t.Errorf("%d requests for what is there, want 2", len(reg.Requests()))
	}
}

func TestCompanionIsNeverOverwritten(t *testing.T) {
	bothKinds(t, func(t *testing.T, s *registry.Store) {
		storetest.Publish(t, s, artifacttest.ModOnlyVersion(t, artifacttest.Version), nil)
		first := evidenceOf(artifacttest.Version, "1\nx\n\n")
		first.Tiles = nil // it was not complete then
		for i, e := range []artifact.Evidence{first, evidenceOf(artifacttest.Version, "1\nx\n\n")} {
			if err := s.PublishEvidence(t.Context(), e, signtest.Signer(t, i)); err != nil {
				t.Fatal(err)
			}
		}
		for i := range 2 {
			got, err := readEvidence(t, s, artifacttest.Version, true, signtest.Signer(t, i).Verifier())
			if err != nil || !reflect.DeepEqual(got, first) {
				t.Errorf("key %d: %+v, %v", i, got, err)
			}
		}
		if err := s.PublishEvidence(t.Context(), evidenceOf(artifacttest.Version, "2\ny\n\n"), signtest.Signer(t, 0)); !errors.Is(err, registry.ErrConflict) {
			t.Errorf("another record: %v", err)
		}
	})
}

func TestCompanionOfAnotherVersionIsRefused(t *testing.T) {
	reg, s := newRegistry(t, registrytest.Options{})
	signer := signtest.Signer(t, 0)
	other := artifacttest.Later("v1.2.4")
	storetest.Publish(t, s, artifacttest.ModOnlyVersion(t, artifacttest.Version), signer)
	if err := s.PublishEvidence(t.Context(), evidenceOf(other, "1\nx\n\n"), signer); err != nil {
		t.Fatal(err)
	}
	raw := reg.Manifest(fullRepo, "sumdb-v1.2.4")
	reg.SetManifest(fullRepo, "sumdb-v1.2.3", raw)
	if _, err := readEvidence(t, s, artifacttest.Version, true, signer.Verifier()); !errors.Is(err, artifact.ErrIdentity) {
		t.Errorf("evidence of another version: %v", err)
	}
	reg.SetManifest(fullRepo, "sumdb-v1.2.3", artifacttest.ModOnlyVersion(t, artifacttest.Version).Raw)
	if _, err := readEvidence(t, s, artifacttest.Version, true, signer.Verifier()); !errors.Is(err, registry.ErrCorrupt) {
		t.Errorf("the version itself as its evidence: %v", err)
	}
}

func TestEvidenceThatContradictsIsNotSigned(t *testing.T) {
	_, s := newRegistry(t, registrytest.Options{})
	files := func(record string) artifact.Files {
		f := artifact.Files{Module: artifacttest.Version, Info: artifacttest.Info(artifacttest.Version), GoMod: artifacttest.GoMod(artifacttest.Version)}
		if record != "" {
			e := evidenceOf(artifacttest.Version, record)
			f.SumDB, f.Tiles = e.Record, e.Tiles
		}
		return f
	}
	storetest.Publish(t, s, artifacttest.Build(t, files("1\nx\n\n")), signtest.Signer(t, 0))
	again := func(record string) error {
		_, err := s.Publish(t.Context(), artifacttest.Build(t, files(record)), registry.PublishOptions{Signer: signtest.Signer(t, 1)})
		return err
	}
	if err := again("2\ny\n\n"); !errors.Is(err, registry.ErrConflict) {
		t.Errorf("another record: %v", err)
	}
	if err := again(""); err != nil {
		t.Errorf("no record here: %v", err)
	}
}
