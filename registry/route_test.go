package registry_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/modferry/modferry/registry"
	"github.com/modferry/modferry/registry/remote"
	"github.com/modferry/modferry/registry/stores"
)

func TestLongestPrefixOfWholeElementsRoutes(t *testing.T) {
	const spec = "corp.example=harbor.example/private, corp.example/pub=harbor.example/golang,corp.example/secret=none,harbor.example/golang"
	r, err := stores.Route(newClient(t, remote.ClientOptions{}), spec)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	for path, want := range map[string]string{
		"corp.example":            "harbor.example/private",
		"corp.example/lib":        "harbor.example/private",
		"corp.example/pub":        "harbor.example/golang",
		"corp.example/pub/x":      "harbor.example/golang",
		"corp.example/public":     "harbor.example/private",
		"corp.example.evil/lib":   "harbor.example/golang",
		"example.com/x":           "harbor.example/golang",
		"corp.example/secret":     "",
		"corp.example/secret/lib": "",
	} {
		s, err := r.For(path)
		switch {
		case want == "" && !errors.Is(err, registry.ErrBlocked):
			t.Errorf("%s: %v; want blocked", path, err)
		case want != "" && (err != nil || s.String() != want):
			t.Errorf("%s: %v, %v; want %s", path, s, err, want)
		}
	}
	if n := len(r.Stores()); n != 2 {
		t.Errorf("%d stores, want each once: 2", n)
	}
	if r.String() != spec {
		t.Errorf("String() = %q", r)
	}
}

func TestRouteWithoutADefaultBlocksTheRest(t *testing.T) {
	r, err := stores.Route(newClient(t, remote.ClientOptions{}), "corp.example=harbor.example/private")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if _, err := r.For("example.com/x"); !errors.Is(err, registry.ErrBlocked) || !strings.Contains(err.Error(), "example.com/x") {
		t.Errorf("%v; want blocked", err)
	}
}

func TestRouteTakesALayoutWithAnEqualsSign(t *testing.T) {
	dir := "oci:" + t.TempDir() + "/a=b"
	r, err := stores.Route(newClient(t, remote.ClientOptions{}), "corp.example="+dir+","+dir)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if len(r.Stores()) != 1 || r.Stores()[0].String() != dir {
		t.Errorf("stores are %v, want %s once", r.Stores(), dir)
	}
}

func TestRouteRefusesMalformedSpecs(t *testing.T) {
	for _, spec := range []string{
		"", ",", "harbor.example/a,", "harbor.example/a,harbor.example/b",
		"x.example=harbor.example/a,x.example=harbor.example/b", "x.example=", "x.example=Bad/", "=harbor.example/a",
	} {
		if _, err := stores.Route(newClient(t, remote.ClientOptions{}), spec); !errors.Is(err, registry.ErrReference) {
			t.Errorf("Route(%q): %v; want a malformed reference", spec, err)
		}
	}
}
