package mirror

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/modferry/modferry/registry/collect"
	"github.com/modferry/modferry/registry/collect/collecttest"
	"github.com/modferry/modferry/registry/upstream/upstreamtest"
)

func TestAPackageThatWasTakenForItsModuleIsLockedLikeTheModule(t *testing.T) {
	f := parseMirrorFile(t, "version: 1\nmodules: [example.com/a/b@latest]\n")
	tree := upstreamtest.NewTree(t)
	tree.Add(t, "example.com/a@v1.0.0", map[string]string{"b/b.go": "package b\n"})
	up := collecttest.NewUpstream(t, tree.URL())
	stores := "oci:" + filepath.Join(t.TempDir(), "store")
	var said []string
	o := collect.FileOptions{Options: collect.Options{Warn: func(err error) { said = append(said, err.Error()) }}}
	lock, err := lockAfter(t, up, f, o, stores)
	if err != nil || len(lock.Sources) != 1 || len(lock.Sources[0].Needs) != 1 || len(lock.Sources[0].Means) > 0 {
		t.Fatalf("%v\n%s", err, lock.Format())
	}
	if len(said) != 1 || !strings.Contains(said[0], "example.com/a/b is no module: taken for a package of example.com/a@v1.0.0") {
		t.Errorf("said %q", said)
	}
	o.Lock = lock
	again, err := lockAfter(t, collecttest.NewUpstream(t, "off"), f, o, stores)
	if err != nil || string(again.Format()) != string(lock.Format()) || len(said) > 1 {
		t.Errorf("%v, said %q\n%s", err, said, again.Format())
	}
}
