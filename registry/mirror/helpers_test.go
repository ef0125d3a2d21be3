package mirror

import (
	"strings"
	"testing"

	"github.com/modferry/modferry/artifact/sumdb/sumdbtest"
	"github.com/modferry/modferry/registry/upstream"
	"github.com/modferry/modferry/registry/upstream/upstreamtest"
)

func newChecksums(t testing.TB, o upstream.ChecksumOptions) *upstream.Checksums {
	t.Helper()
	c, err := upstream.NewChecksums(o)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// treeSums returns the sums of a version in a tree.
func treeSums(t testing.TB, tree upstreamtest.Tree, version string) (zip, mod string) {
	t.Helper()
	lines, err := sumdbtest.Lines(upstreamtest.ParseModule(t, version), tree.File(t, version, ".zip"), tree.File(t, version, ".mod"))
	if err != nil {
		t.Fatal(err)
	}
	f := strings.Fields(string(lines))
	return f[2], f[5]
}
