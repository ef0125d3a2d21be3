package upstream

import (
	"os"
	"testing"
	"time"
)

// newUpstream reads from goproxy; what it adds makes tests quick and independent of the machine.
func newUpstream(t testing.TB, goproxy string) *Upstream {
	t.Helper()
	return newUpstreamWith(t, Options{GOPROXY: goproxy})
}

func newUpstreamWith(t testing.TB, o Options) *Upstream {
	t.Helper()
	o.MinBackoff = time.Millisecond
	if o.Netrc == "" {
		o.Netrc = os.DevNull
	}
	u, err := New(o)
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

func newChecksums(t testing.TB, o ChecksumOptions) *Checksums {
	t.Helper()
	c, err := NewChecksums(o)
	if err != nil {
		t.Fatal(err)
	}
	return c
}
