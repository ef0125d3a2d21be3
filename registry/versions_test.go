package registry

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"golang.org/x/mod/module"

	"github.com/modferry/modferry/artifact"
	"github.com/modferry/modferry/registry/registrytest"
)

func TestVersionsInSemverOrder(t *testing.T) {
	eachStore(t, func(t *testing.T, s *Store) {
		for _, tag := range []string{
			"v1.10.0", "v1.9.0", "v1.9.0.mod", "v2.0.0_incompatible", "v1.10.0-rc.1", "v0.0.0-20240102030405-0123456789ab.mod",
			"latest", "sha256-" + strings.Repeat("0", 64) + ".sig",
		} {
			image(t, s, repo, tag)
		}
		got, err := s.Versions(t.Context(), version.Path)
		if err != nil {
			t.Fatal(err)
		}
		want := []Listed{
			{"v0.0.0-20240102030405-0123456789ab", true},
			{"v1.9.0", false},
			{"v1.9.0", true},
			{"v1.10.0-rc.1", false},
			{"v1.10.0", false},
			{"v2.0.0+incompatible", false},
		}
		if !slices.Equal(got, want) {
			t.Errorf("versions are %v, want %v", got, want)
		}
	})
}

func TestVersionsOfAnUnknownModule(t *testing.T) {
	eachStore(t, func(t *testing.T, s *Store) {
		image(t, s, "other.example", "v1.0.0")
		_, err := s.Versions(t.Context(), version.Path)
		wantMeaning(t, err, ErrNotFound)
	})
}

func TestVersionsTakeOneListing(t *testing.T) {
	reg, s := newRegistry(t, registrytest.Options{})
	publish(t, s, fullVersion(t, version, "text"), nil)
	reg.Reset()
	if list, err := s.Versions(t.Context(), version.Path); err != nil || len(list) != 1 {
		t.Errorf("%v, %v", list, err)
	}
	if all, tags := len(reg.Requests()), reg.Count("GET", registrytest.Tags); all != 1 || tags != 1 {
		t.Errorf("%d requests, %d of them for tags; want one listing", all, tags)
	}
}

func TestModulesAreListedByPath(t *testing.T) {
	eachStore(t, func(t *testing.T, s *Store) {
		deep := "example.com" + strings.Repeat("/some-long-element", 20)
		var want []string
		for _, path := range []string{version.Path, "example.com/x", deep} {
			publish(t, s, modOnlyVersion(t, module.Version{Path: path, Version: "v1.0.0"}), nil)
			want = append(want, path)
		}
		image(t, s, "sumdb/sum.golang.org", "latest")
		var got []string
		for path, err := range s.Modules(t.Context()) {
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, path)
		}
		slices.Sort(got)
		slices.Sort(want)
		if !slices.Equal(got, want) {
			t.Errorf("modules are %q, want %q", got, want)
		}
	})
}

func TestModulesNameALongPathThatLies(t *testing.T) {
	reg, s := newRegistry(t, registrytest.Options{})
	publish(t, s, modOnlyVersion(t, version), nil)
	liar := namespace + "/example.com/long_z" + strings.Repeat("0", 64)
	if err := reg.CopyRepository(fullRepo, liar); err != nil {
		t.Fatal(err)
	}
	good := 0
	var bad error
	for path, err := range s.Modules(t.Context()) {
		if err != nil {
			bad = err
		} else if path == version.Path {
			good++
		}
	}
	if good != 1 || !errors.Is(bad, artifact.ErrIdentity) {
		t.Errorf("%d good modules, error %v; want one and an identity error", good, bad)
	}
}
