package check

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"sync/atomic"
	"testing"
)

func TestAddressOfTheChecksumDatabaseIsNotAsked(t *testing.T) {
	var asked atomic.Int32
	local := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked.Add(1) }))
	defer local.Close()
	x := newProxy(t, world()) // serves no checksum database
	p := newProject(t, x, app())
	must(t, os.Remove(filepath.Join(p.Root, "go.sum")))
	t.Setenv("GOSUMDB", "sum.golang.org "+local.URL)
	got := run(t, load(t, p.Root), x, Options{})
	if asked.Load() > 0 || !slices.Equal(got.dialled, []string{"sum.golang.org:443"}) {
		t.Errorf("asked %d times, dialled %q\n%s", asked.Load(), got.dialled, got.said())
	}
}

func TestTemporaryDirectoryMayBeInAWorkTree(t *testing.T) {
	x := newProxy(t, world())
	p := newProject(t, x, app())
	tree := t.TempDir()
	temp := filepath.Join(tree, "temp")
	must(t, os.Mkdir(filepath.Join(tree, ".git"), 0o700)) // of which git says that it is none
	must(t, os.Mkdir(temp, 0o700))
	run(t, p, x, Options{TempDir: temp}).shows(allWell...)
}

func TestUserWithoutAHomeDirectoryNeedsNoBuildCache(t *testing.T) {
	x := newProxy(t, world())
	p := newProject(t, x, files{"go.mod": "module corp.example/app\n\ngo 1.24\n", "a.go": "package a\n"})
	for _, name := range []string{"HOME", "XDG_CACHE_HOME", "GOCACHE"} {
		t.Setenv(name, "")
	}
	run(t, p, x, Options{}).shows(allWell...)
}
