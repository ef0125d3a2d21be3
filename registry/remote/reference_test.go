package remote

import (
	"errors"
	"strings"
	"testing"

	"github.com/modferry/modferry/registry"
)

func TestOpenUnderstandsStores(t *testing.T) {
	for _, test := range []struct {
		ref  string
		want location
		str  string
	}{
		{"harbor.example/golang", location{host: "harbor.example", namespace: "golang"}, "harbor.example/golang"},
		{"harbor.example/golang/", location{host: "harbor.example", namespace: "golang"}, "harbor.example/golang"},
		{"harbor.example:8443/a/b-c", location{host: "harbor.example:8443", namespace: "a/b-c"}, "harbor.example:8443/a/b-c"},
		{"http://harbor.example/golang", location{host: "harbor.example", namespace: "golang", plain: true}, "harbor.example/golang"},
		{"localhost:5000/golang", location{host: "localhost:5000", namespace: "golang", plain: true}, "localhost:5000/golang"},
		{"https://localhost:5000/golang", location{host: "localhost:5000", namespace: "golang"}, "localhost:5000/golang"},
		{"127.1.2.3:5000/golang", location{host: "127.1.2.3:5000", namespace: "golang", plain: true}, "127.1.2.3:5000/golang"},
		{"[::1]:5000/golang", location{host: "[::1]:5000", namespace: "golang", plain: true}, "[::1]:5000/golang"},
		{"localhost:5000", location{host: "localhost:5000", plain: true}, "localhost:5000"},
		{"https://registry.example", location{host: "registry.example"}, "registry.example"},
	} {
		got, err := parseLocation(test.ref)
		if err != nil || got != test.want {
			t.Errorf("parseLocation(%q) = %+v, %v; want %+v", test.ref, got, err, test.want)
			continue
		}
		if s := open(t, newClient(t, ClientOptions{}), test.ref); s.String() != test.str {
			t.Errorf("Open(%q).String() = %q, want %q", test.ref, s, test.str)
		}
	}
}

func TestOpenRefusesMalformedStores(t *testing.T) {
	for ref, why := range map[string]string{
		"":                           "host[:port]/namespace",
		"golang":                     "host[:port]/namespace",
		"harbor.example":             "host[:port]/namespace",
		"/golang":                    "host[:port]/namespace",
		"har bor/golang":             "host[:port]/namespace",
		"harbor.example/Golang":      "lower case",
		"harbor.example/golang:v1":   "no tag",
		"harbor.example/golang@x":    "no tag",
		"harbor.example/a//b":        "cannot be a namespace",
		"harbor.example/../b":        "cannot be a namespace",
		"harbor.example/a?b":         "cannot be a namespace",
		"docker://harbor.example/a":  "scheme",
		"harbor.example/" + long(55): "at most",
	} {
		_, err := newClient(t, ClientOptions{}).Open(ref)
		if !errors.Is(err, registry.ErrReference) || !strings.Contains(err.Error(), why) {
			t.Errorf("Open(%q): %v; want a malformed reference and %q", ref, err, why)
		}
	}
}

func TestOpenDoesNotRepeatAPassword(t *testing.T) {
	for _, ref := range []string{
		"https://user:hunter2@harbor.example/golang", "user:hunter2@harbor.example/golang", "hunter2@harbor.example/golang",
		"user:a/hunter2@harbor.example/golang", "user:a@hunter2@harbor.example/golang", "docker://user:hunter2@harbor.example/golang",
	} {
		if _, err := registry.Route("x.example=none,x.example="+ref, newClient(t, ClientOptions{}).Open); strings.Contains(err.Error(), "hunter2") {
			t.Errorf("Route: %v", err)
		}
		_, err := newClient(t, ClientOptions{}).Open(ref)
		if !errors.Is(err, registry.ErrReference) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("Open: %v", err)
		}
	}
}

func TestNamesAreCheckedBeforeAnyRequest(t *testing.T) {
	s := open(t, newClient(t, ClientOptions{}), "registry.invalid/golang")
	for _, test := range [][2]string{
		{"Upper", "v1"},
		{"a/../b", "v1"},
		{"a", "v 1"},
		{"a", "../v1"},
		{"a", "sha256:12"},
		{"a", "sha512:" + strings.Repeat("0", 128)},
		{long(260), "v1"},
	} {
		if _, _, err := s.Manifest(t.Context(), test[0], test[1]); !errors.Is(err, registry.ErrReference) {
			t.Errorf("Manifest(%q, %q): %v; want a malformed reference", test[0], test[1], err)
		}
	}
}

func FuzzParseLocation(f *testing.F) {
	for _, seed := range []string{"harbor.example/golang", "http://[::1]:5000/a/b", "oci:x", "oci:", "user@h/x", "h:99999/x", "https://"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, ref string) {
		l, err := parseLocation(ref)
		if err != nil {
			if !errors.Is(err, registry.ErrReference) {
				t.Errorf("%q: %v", ref, err)
			}
			return
		}
		again, err := parseLocation("http://" + l.host + "/" + l.namespace)
		if err != nil || again.host != l.host || again.namespace != l.namespace || !again.plain {
			t.Errorf("%q: %+v is not stable: %+v, %v", ref, l, again, err)
		}
	})
}

func long(n int) string { return strings.Repeat("a", n) }
