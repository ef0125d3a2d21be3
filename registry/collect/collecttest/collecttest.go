// Package collecttest has what tests collect from: an upstream, and the go command that asks it.
package collecttest

import (
	"context"
	"os"
	"testing"
	"time"

	"github.com/modferry/modferry/registry/collect/closure"
	"github.com/modferry/modferry/registry/upstream"
)

// NewUpstream reads from goproxy; what it adds makes tests quick and independent of the machine.
func NewUpstream(t testing.TB, goproxy string) *upstream.Upstream {
	t.Helper()
	return NewUpstreamWith(t, upstream.Options{GOPROXY: goproxy})
}

// NewUpstreamWith is NewUpstream with options.
func NewUpstreamWith(t testing.TB, o upstream.Options) *upstream.Upstream {
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

// GoCommand runs the real go command against up, without a checksum database.
func GoCommand(t testing.TB, up *upstream.Upstream) func(context.Context) (*closure.Runner, error) {
	t.Helper()
	spool, temp := t.TempDir(), t.TempDir()
	return func(ctx context.Context) (*closure.Runner, error) {
		return closure.New(ctx, closure.Options{
			Source: upstream.NewSource(up, nil, upstream.SourceOptions{Spool: spool}), GOSUMDB: "off", TempDir: temp,
		})
	}
}
