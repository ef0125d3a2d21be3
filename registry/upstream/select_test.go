package upstream

import (
	"errors"
	"strings"
	"testing"

	"golang.org/x/mod/module"

	"github.com/modferry/modferry/artifact/goproxy"
	"github.com/modferry/modferry/registry/upstream/upstreamtest"
)

func TestSelectReturnsTheReleasesOfARange(t *testing.T) {
	u := newUpstream(t, upstreamtest.QueryTree(t).URL())
	for _, tt := range []struct{ path, text, want string }{
		{"example.com/a", ">=v1.0.0 <v2", "v1.0.0 v1.0.3 v1.1.0"},
		{"example.com/a", "<v1", "v0.9.0"},
		{"example.com/a", "v1.0", "v1.0.0 v1.0.3"},
		{"example.com/a", ">=v1.1.0-0 <v2", "v1.1.0 v1.2.0-beta.1"},
		{"example.com/a", ">v1.1.0 <v2", "v1.2.0-beta.1"}, // there is no release
		{"example.com/a", "!=v1.0.0", "v0.9.0 v1.0.3 v1.1.0"},
		{"example.com/a", ">=v3", ""},
		{"example.com/pre", ">=v0.1.0-alpha", "v0.1.0-alpha v0.1.0-rc.1"},
		{"example.com/legacy", ">=v1", "v1.0.0 v3.0.0+incompatible"},
		{"example.com/modern", ">=v1", "v1.0.0"}, // it has a go.mod
		{"example.com/modern", ">=v2", "v2.0.0+incompatible"},
		{"example.com/sorry", ">=v1", "v1.0.0"},
		{"example.com/sorry", ">=v1.1", ""},
	} {
		r, err := goproxy.ParseRange(tt.text)
		if err != nil {
			t.Fatal(err)
		}
		got, err := u.Select(t.Context(), tt.path, r)
		if strings.Join(got, " ") != tt.want || tt.want == "" && (!errors.Is(err, ErrNoMatch) || !strings.Contains(err.Error(), tt.path)) || tt.want != "" && err != nil {
			t.Errorf("%s@%s: %q, %v; want %q", tt.path, tt.text, got, err, tt.want)
		}
	}
	if _, err := u.Select(t.Context(), "example.com/nowhere", goproxy.Range{}); !errors.Is(err, ErrNotFound) {
		t.Error(err)
	}
	if _, err := u.Select(t.Context(), "nowhere", goproxy.Range{}); err == nil || !strings.Contains(err.Error(), "missing dot") {
		t.Error("not a module's path")
	}
}

func TestACacheWithoutAMatchLeavesTheChoiceToOthers(t *testing.T) {
	u := newUpstream(t, upstreamtest.NewTree(t, "example.com/a@v0.1.0").URL()+","+upstreamtest.NewProxy(t, upstreamtest.QueryTree(t), nil).URL)
	r, err := goproxy.ParseRange(">=v1 <v2")
	if err != nil {
		t.Fatal(err)
	}
	if got, err := u.Select(t.Context(), "example.com/a", r); err != nil || len(got) != 3 {
		t.Error(got, err)
	}
}

func TestVersionsAreSelectedDirectly(t *testing.T) {
	newRepository(t)
	u := newUpstream(t, "direct")
	r, err := goproxy.ParseRange(">=v1")
	if err != nil {
		t.Fatal(err)
	}
	if got, err := u.Select(t.Context(), "vcs.example/lib.git", r); err != nil || strings.Join(got, " ") != "v1.0.0" {
		t.Error(got, err)
	}
	if err := u.Retracted(t.Context(), module.Version{Path: "vcs.example/lib.git", Version: "v1.0.0"}); err != nil {
		t.Error(err)
	}
}

func TestRetractedSaysWhy(t *testing.T) {
	tree := upstreamtest.QueryTree(t)
	tree.Add(t, "example.com/mute@v1.0.0", map[string]string{"go.mod": "module example.com/mute\n\nretract v1.0.0\n"})
	tree.Add(t, "example.com/rude@v1.0.0", map[string]string{"go.mod": "module example.com/rude\n\n// line one \x1b[31m\n// line two\nretract v1.0.0\n"})
	tree.Add(t, "example.com/none@v0.0.0-20260102030405-abcdefabcdef", map[string]string{"go.mod": "module example.com/none\n\nretract v0.0.0-20260102030405-abcdefabcdef // oops\n"})
	u := newUpstream(t, tree.URL())
	for version, want := range map[string]string{
		"example.com/sorry@v1.1.0":                            "example.com/sorry@v1.1.0 was retracted by its author: sorry",
		"example.com/sorry@v1.2.0":                            "example.com/sorry@v1.2.0 was retracted by its author: sorry",
		"example.com/sorry@v1.0.0":                            "",
		"example.com/mute@v1.0.0":                             "example.com/mute@v1.0.0 was retracted by its author",
		"example.com/rude@v1.0.0":                             "example.com/rude@v1.0.0 was retracted by its author: line one [31m; line two",
		"example.com/none@v0.0.0-20260102030405-abcdefabcdef": "example.com/none@v0.0.0-20260102030405-abcdefabcdef was retracted by its author: oops",
		"example.com/a@v1.0.0":                                "",
		"example.com/nowhere@v1.0.0":                          "",
	} {
		err := u.Retracted(t.Context(), upstreamtest.ParseModule(t, version))
		if want == "" && err != nil || want != "" && (!errors.Is(err, ErrRetracted) || err.Error() != want) {
			t.Errorf("%s: %v; want %q", version, err, want)
		}
	}
	u = newUpstreamWith(t, Options{GOPROXY: upstreamtest.NewProxy(t, "", upstreamtest.Always(500, "no")).URL, Retries: -1})
	if err := u.Retracted(t.Context(), upstreamtest.VersionA); !errors.Is(err, ErrUpstream) {
		t.Error("upstream did not tell:", err)
	}
}
