package upstream

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/modferry/modferry/registry/upstream/upstreamtest"
)

func TestChecksumsAreNeverAskedAboutPrivateModules(t *testing.T) {
	c := newChecksums(t, ChecksumOptions{GOSUMDB: upstreamtest.NewLog(t, upstreamtest.NewTree(t)).GOSUMDB(), NoSumDB: "corp.example,*.internal.example", Upstream: newUpstream(t, "off")})
	for path, covered := range map[string]bool{
		"corp.example/secret": false, "git.internal.example/x": false, "corp.example.com/x": true, "example.com/a": true,
	} {
		if c.Covers(path) != covered {
			t.Errorf("%s is covered: %v", path, !covered)
		}
	}
	var none *Checksums
	if none.Covers("example.com/a") || none.Name() != "" {
		t.Error("a database that is none has a name or covers something")
	}
}

func TestChecksumsAreReadThroughTheProxyThatCarriesThem(t *testing.T) {
	tree := upstreamtest.NewTree(t, upstreamtest.VersionA.String())
	log := upstreamtest.NewLog(t, tree)
	carries := upstreamtest.NewProxy(t, tree, func(w http.ResponseWriter, r *http.Request) bool {
		rest, ok := strings.CutPrefix(r.URL.Path, "/sumdb/"+upstreamtest.LogName)
		if !ok {
			return false
		}
		if rest == "/supported" {
			return true
		}
		r.URL.Path = rest
		log.Config.Handler.ServeHTTP(w, r)
		return true
	})
	without := upstreamtest.NewProxy(t, tree, nil)
	broken := upstreamtest.NewProxy(t, "", upstreamtest.Always(500, "no"))
	for _, tt := range []struct {
		goproxy string
		ok      bool
	}{
		{carries.URL, true},
		{without.URL + "," + carries.URL, true},
		{broken.URL + "|" + carries.URL, true},
		{tree.URL() + "," + carries.URL + ",direct", true},
		{broken.URL + "," + carries.URL, false},
	} {
		up := newUpstreamWith(t, Options{GOPROXY: tt.goproxy, Retries: -1})
		c := newChecksums(t, ChecksumOptions{GOSUMDB: log.Public, Upstream: up})
		_, err := c.Lookup(t.Context(), upstreamtest.VersionA)
		if _, headErr := c.Latest(t.Context()); (err == nil) != tt.ok || (headErr == nil) != tt.ok {
			t.Errorf("%s: %v, %v", tt.goproxy, err, headErr)
		}
	}
}

func TestChecksumsStopWithTheirContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	hangs := upstreamtest.NewProxy(t, "", func(_ http.ResponseWriter, r *http.Request) bool {
		cancel()
		<-r.Context().Done()
		return true
	})
	log := upstreamtest.NewLog(t, upstreamtest.NewTree(t))
	c := newChecksums(t, ChecksumOptions{GOSUMDB: log.Public + " " + hangs.URL, Upstream: newUpstream(t, "off")})
	if _, err := c.Lookup(ctx, upstreamtest.VersionA); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

func TestNewChecksumsReadsGOSUMDB(t *testing.T) {
	up := newUpstream(t, "off")
	for _, tt := range []struct{ gosumdb, name, from string }{
		{"", "sum.golang.org", "https://sum.golang.org"},
		{"sum.golang.org", "sum.golang.org", "https://sum.golang.org"},
		{"sum.golang.org https://sums.corp.example", "sum.golang.org", "https://sums.corp.example"},
		{"sum.golang.google.cn", "sum.golang.org", "https://sum.golang.google.cn"},
		{"off", "", ""},
	} {
		c, err := NewChecksums(ChecksumOptions{GOSUMDB: tt.gosumdb, Upstream: up})
		if err != nil || c.Name() != tt.name || c != nil && c.own.name != tt.from {
			t.Errorf("%q: %q, %v", tt.gosumdb, c.Name(), err)
		}
	}
	for _, bad := range []string{"nonsense", "a b c", "sum.golang.org ftp://x.example", "sum.example.com+00000000+AAAA"} {
		if _, err := NewChecksums(ChecksumOptions{GOSUMDB: bad, Upstream: up}); err == nil || !strings.HasPrefix(err.Error(), "GOSUMDB") {
			t.Errorf("%q: %v", bad, err)
		}
	}
}
