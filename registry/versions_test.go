package registry_test

import (
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"

	"golang.org/x/mod/module"

	"github.com/modferry/modferry/artifact"
	"github.com/modferry/modferry/artifact/artifacttest"
	"github.com/modferry/modferry/registry"
	"github.com/modferry/modferry/registry/remote/registrytest"
	"github.com/modferry/modferry/registry/storetest"
)

func TestVersionsInSemverOrder(t *testing.T) {
	eachStore(t, func(t *testing.T, s *registry.Store) {
		for _, tag := range []string{
			"v1.10.0", "v1.9.0", "v1.9.0.mod", "v2.0.0_incompatible", "v1.10.0-rc.1", "v0.0.0-20240102030405-0123456789ab.mod",
			"latest", "sha256-" + strings.Repeat("0", 64) + ".sig",
		} {
			storetest.Image(t, s, repo, tag)
		}
		got, err := s.Versions(t.Context(), artifacttest.Version.Path)
		if err != nil {
			t.Fatal(err)
		}
		want := []registry.Listed{
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
	eachStore(t, func(t *testing.T, s *registry.Store) {
		storetest.Image(t, s, "other.example", "v1.0.0")
		_, err := s.Versions(t.Context(), artifacttest.Version.Path)
		storetest.WantMeaning(t, err, registry.ErrNotFound)
	})
}

func TestVersionsTakeOneListing(t *testing.T) {
	reg, s := newRegistry(t, registrytest.Options{})
	storetest.Publish(t, s, artifacttest.FullVersion(t, artifacttest.Version, "text"), nil)
	reg.Reset()
	if list, err := s.Versions(t.Context(), artifacttest.Version.Path); err != nil || len(list) != 1 {
		t.Errorf("%v, %v", list, err)
	}
	if all, tags := len(reg.Requests()), reg.Count("GET", registrytest.Tags); all != 1 || tags != 1 {
		t.Errorf("%d requests, %d of them for tags; want one listing", all, tags)
	}
}

func TestModulesAreListedByPath(t *testing.T) {
	eachStore(t, func(t *testing.T, s *registry.Store) {
		var want []string
		for _, path := range []string{artifacttest.Version.Path, "example.com/x", deep} {
			storetest.Publish(t, s, artifacttest.ModOnlyVersion(t, module.Version{Path: path, Version: "v1.0.0"}), nil)
			want = append(want, path)
		}
		storetest.Image(t, s, "sumdb/sum.golang.org", "latest")
		got, broken := listModules(t, s)
		slices.Sort(want)
		if !slices.Equal(got, want) || len(broken) != 0 {
			t.Errorf("modules are %q, want %q; %v", got, want, broken)
		}
	})
}

var (
	deep     = "example.com" + strings.Repeat("/some-long-element", 20)
	hashName = "example.com/long_z" + strings.Repeat("0", 64)
)

// listModules lists the modules of a store, and what is wrong with repositories.
func listModules(t *testing.T, s *registry.Store) (paths []string, broken []error) {
	t.Helper()
	for path, err := range s.Modules(t.Context()) {
		switch {
		case err == nil:
			paths = append(paths, path)
		case errors.Is(err, registry.ErrNoPath):
			broken = append(broken, err)
		default:
			t.Fatal(err)
		}
	}
	slices.Sort(paths)
	return paths, broken
}

func TestModulesGoOnAfterARepositoryThatTellsNoPath(t *testing.T) {
	eachStore(t, func(t *testing.T, s *registry.Store) {
		for _, path := range []string{"example.com/a", "example.com/z"} {
			storetest.Publish(t, s, artifacttest.ModOnlyVersion(t, module.Version{Path: path, Version: "v1.0.0"}), nil)
		}
		storetest.Image(t, s, hashName, "latest")
		storetest.Image(t, s, strings.Replace(hashName, "z0", "z1", 1), "v1.0.0")
		paths, broken := listModules(t, s)
		if !slices.Equal(paths, []string{"example.com/a", "example.com/z"}) || len(broken) != 2 {
			t.Fatalf("%q, %v; want two modules and two repositories that tell no path", paths, broken)
		}
		for i, want := range []string{"long_z000", "long_z100"} {
			if !strings.Contains(broken[i].Error(), want) {
				t.Errorf("%v does not name %s", broken[i], want)
			}
		}
		if !errors.Is(broken[1], artifact.ErrNotModule) {
			t.Errorf("%v; want why", broken[1])
		}
	})
}

func TestAnyVersionTellsALongPath(t *testing.T) {
	eachStore(t, func(t *testing.T, s *registry.Store) {
		repo, err := artifact.Repository(deep)
		if err != nil {
			t.Fatal(err)
		}
		storetest.Image(t, s, repo, "v1.0.0")
		storetest.Publish(t, s, artifacttest.ModOnlyVersion(t, module.Version{Path: deep, Version: "v1.1.0"}), nil)
		if paths, broken := listModules(t, s); !slices.Equal(paths, []string{deep}) || len(broken) != 0 {
			t.Errorf("%q, %v; want %s", paths, broken, deep)
		}
	})
}

func TestModulesLeaveOutARepositoryOfWhichNothingIsLeft(t *testing.T) {
	reg, s := newRegistry(t, registrytest.Options{})
	storetest.Image(t, s, hashName, "v1.0.0")
	reg.Inject(registrytest.Answer(http.StatusNotFound, "NAME_UNKNOWN", "").On(http.MethodGet, registrytest.Tags))
	if paths, broken := listModules(t, s); len(paths) != 0 || len(broken) != 0 {
		t.Errorf("%q, %v; want nothing", paths, broken)
	}
}

func TestModulesNameALongPathThatLies(t *testing.T) {
	reg, s := newRegistry(t, registrytest.Options{})
	storetest.Publish(t, s, artifacttest.ModOnlyVersion(t, artifacttest.Version), nil)
	if err := reg.CopyRepository(fullRepo, namespace+"/"+hashName); err != nil {
		t.Fatal(err)
	}
	paths, broken := listModules(t, s)
	if !slices.Equal(paths, []string{artifacttest.Version.Path}) || len(broken) != 1 || !errors.Is(broken[0], artifact.ErrIdentity) {
		t.Errorf("%q, %v; want one module and an identity error", paths, broken)
	}
}
