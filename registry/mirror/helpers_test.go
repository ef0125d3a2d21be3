package mirror

import (
	"context"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/modferry/modferry/artifact/sumdb/sumdbtest"
	"github.com/modferry/modferry/registry/collect/closure"
	"github.com/modferry/modferry/registry/upstream"
	"github.com/modferry/modferry/registry/upstream/upstreamtest"
)

// newUpstream reads from goproxy; what it adds makes tests quick and independent of the machine.
func newUpstream(t testing.TB, goproxy string) *upstream.Upstream {
	t.Helper()
	return newUpstreamWith(t, upstream.Options{GOPROXY: goproxy})
}

func newUpstreamWith(t testing.TB, o upstream.Options) *upstream.Upstream {
	t.Helper()
	o.MinBackoff = time.Millisecond
	if o.Netrc == "" {
		o.Netrc = os.DevNull
	}
	u, err := upstream.New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := u.Close(); err != nil {
			t.Error(err)
		}
	})
	return u
}

func newChecksums(t testing.TB, o upstream.ChecksumOptions) *upstream.Checksums {
	t.Helper()
	c, err := upstream.NewChecksums(o)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// goCommandFor runs the real go command against up, without a checksum database.
func goCommandFor(t testing.TB, up *upstream.Upstream) func(context.Context) (*closure.Runner, error) {
	t.Helper()
	spool, temp := t.TempDir(), t.TempDir()
	return func(ctx context.Context) (*closure.Runner, error) {
		return closure.New(ctx, closure.Options{
			Source: upstream.NewSource(up, nil, upstream.SourceOptions{Spool: spool}), GOSUMDB: "off", TempDir: temp,
		})
	}
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
