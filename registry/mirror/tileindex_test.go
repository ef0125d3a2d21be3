package mirror

import (
	"testing"

	"github.com/modferry/modferry/artifact/sumdb"
	"github.com/modferry/modferry/registry/remote/registrytest"
	"github.com/modferry/modferry/registry/requirement"
	"github.com/modferry/modferry/registry/upstream/upstreamtest"
)

func TestTheTileIndexKnowsWhoHasACompleteTile(t *testing.T) {
	versions := []string{"example.com/a@v1.0.0", "example.com/b@v1.0.0"}
	tree := upstreamtest.NewTree(t, versions...)
	log := upstreamtest.NewLog(t, tree)
	log.Grow(t, 255)
	items := []requirement.Requirement{upstreamtest.Full(versions[0]), upstreamtest.Full(versions[1])}
	run(t, items, pinnedOptions(t, tree, log, "")) // the first to ask for them
	log.Grow(t, 300)                               // so that their tiles are complete

	reg := registrytest.New(t, registrytest.Options{})
	o := pinnedOptions(t, tree, log, reg.Host()+"/golang")
	want := func(when string) {
		t.Helper()
		list, err := store(t, o).TileIndexes(t.Context(), o.Checksums.Log, o.Signer.Verifier())
		if err != nil || len(list) != 1 {
			t.Fatalf("%s: %d indexes, %v", when, len(list), err)
		}
		found := 0
		for n := range int64(3) {
			if m, ok := list[0].Find(n); ok {
				found++
				if m.Path != "example.com/a" && m.Path != "example.com/b" {
					t.Errorf("%s: tile %d is with %v", when, n, m)
				}
			}
		}
		if found == 0 {
			t.Errorf("%s: it is empty", when)
		}
	}
	run(t, items, o)
	want("after the first run")
	reg.Reset()
	run(t, items, o)
	if n := reg.Count("PUT", ""); n != 0 {
		t.Errorf("%d PUTs for what is there", n)
	}
	repo := "golang/" + o.Checksums.Log.Repository()
	reg.DeleteTag(repo, sumdb.TileIndexTag(o.Signer.KeyID()))
	run(t, items, o)
	want("after it was lost")
}
