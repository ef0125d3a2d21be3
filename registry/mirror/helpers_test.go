package mirror

import (
	"context"
	"os"
	"testing"
	"time"

	"github.com/modferry/modferry/registry/collect/closure"
	"github.com/modferry/modferry/registry/upstream"
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
