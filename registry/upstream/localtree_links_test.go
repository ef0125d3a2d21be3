//go:build unix

package upstream

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/mod/module"

	"github.com/modferry/modferry/registry/upstream/upstreamtest"
)

func TestLinksAndOddFilesInADirectory(t *testing.T) {
	secret := filepath.Join(t.TempDir(), "secret")
	upstreamtest.Put(t, secret, "module example.com/secret\n")
	root := t.TempDir()
	at := func(name string) string { return filepath.Join(root, "example.com", "a", "@v", name) }
	upstreamtest.Put(t, at("v1.0.0.mod"), "module example.com/a\n")
	for name, target := range map[string]string{
		"v1.0.1.mod": "v1.0.0.mod", "v1.0.2.mod": "../../a/@v/v1.0.0.mod", "v1.0.3.mod": secret,
		"v1.0.4.mod": "../../../../../../../../../.." + secret, "v1.0.5.mod": "nowhere", "v1.0.6.mod": "v1.0.6.mod",
	} {
		if err := os.Symlink(target, at(name)); err != nil {
			t.Skip(err)
		}
	}
	if err := os.Mkdir(at("v1.0.7.mod"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mkfifo(at("v1.0.8.mod"), 0o644); err != nil {
		t.Skip(err)
	}
	u := newUpstream(t, root)
	for v, want := range map[string]error{
		"v1.0.0": nil, "v1.0.1": nil, "v1.0.2": nil, "v1.0.3": ErrUpstream, "v1.0.4": ErrUpstream, "v1.0.5": ErrNotFound,
		"v1.0.6": ErrUpstream, "v1.0.7": errNotRegular, "v1.0.8": errNotRegular,
	} {
		got, err := u.GoMod(t.Context(), module.Version{Path: "example.com/a", Version: v})
		if !errors.Is(err, want) || strings.Contains(string(got), "secret") {
			t.Errorf("%s: %q, %v; want %v", v, got, err, want)
		}
	}
	items, problems := TreeVersions(t.Context(), root)
	if len(items) != 3 || len(problems) != 4 {
		t.Errorf("%v, %q", items, problems)
	}
	for _, name := range []string{"../secret", "/etc/passwd", "sumdb/../../secret", "example.com/a/@v/../../../../secret"} {
		if f, err := localTree(root).open(t.Context(), name); err == nil {
			f.Close()
			t.Error(name, "was opened")
		}
	}
}

func TestUpstreamOnlyReadsRegularFiles(t *testing.T) {
	tree := upstreamtest.NewTree(t)
	name := tree.File(t, upstreamtest.VersionA.String(), ".mod")
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mkfifo(name, 0o644); err != nil {
		t.Skip(err)
	}
	if _, err := newUpstream(t, tree.URL()).GoMod(t.Context(), upstreamtest.VersionA); !errors.Is(err, errNotRegular) || !errors.Is(err, ErrUpstream) {
		t.Error(err)
	}
}
