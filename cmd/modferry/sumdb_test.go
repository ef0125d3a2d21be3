package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"golang.org/x/mod/module"
	xsumdb "golang.org/x/mod/sumdb"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/modferry/modferry/artifact/sign"
	"github.com/modferry/modferry/artifact/sumdb"
	"github.com/modferry/modferry/registry"
	"github.com/modferry/modferry/registry/remote"
	"github.com/modferry/modferry/registry/stores"
)

// testLog is a checksum database. It records what the bench's upstream has, and made-up versions.
type testLog struct {
	t            *testing.T
	bench        *bench
	private, key string
	*sumdb.Log
	server *xsumdb.TestServer
	size   int
}

// filler is the module whose versions are made up.
const filler = "filler.example/module"

func newTestLog(b *bench) *testLog {
	t := b.t
	t.Helper()
	private, key, err := note.GenerateKey(rand.Reader, "sum.example.com")
	must(t, err)
	log, err := sumdb.ParseLog(key)
	must(t, err)
	l := &testLog{t: t, bench: b, private: private, key: key, Log: log}
	l.rewrite("")
	return l
}

// rewrite makes the log forget everything and record other things from now on.
func (l *testLog) rewrite(salt string) {
	l.size = 0
	l.server = xsumdb.NewTestServer(l.private, func(path, version string) ([]byte, error) {
		if m := path + "@" + version; path != filler {
			return fmt.Appendf(nil, "%s %s %s\n%s %s/go.mod %s\n", path, version, l.bench.zipSum(m), path, version, l.bench.goModSum(m)), nil
		}
		return fmt.Appendf(nil, "%s %s h1:%s%s=\n", path, version, salt, strings.Repeat("A", 43-len(salt))), nil
	})
}

// grow adds n records and returns the head that the log signs then.
func (l *testLog) grow(n int) []byte {
	l.t.Helper()
	for range n {
		_, err := l.server.Lookup(l.t.Context(), module.Version{Path: filler, Version: fmt.Sprintf("v0.0.%d", l.size)})
		must(l.t, err)
		l.size++
	}
	head, err := l.server.Signed(l.t.Context())
	must(l.t, err)
	return head
}

// publish puts a snapshot of the log at head into the bench's store. Signer may be nil.
func (l *testLog) publish(head []byte, signer *sign.Signer) {
	l.t.Helper()
	tile := func(ctx context.Context, t tlog.Tile) ([]byte, error) { return l.server.ReadTileData(ctx, t) }
	s, err := sumdb.Build(l.t.Context(), l.Log, head, tile, sumdb.BuildOptions{})
	must(l.t, err)
	image, err := s.Pack()
	must(l.t, err)
	store := l.bench.open()
	must(l.t, store.PublishSnapshot(l.t.Context(), image, l.Log, nil, signer))
	must(l.t, store.Close())
}

// proxy is a shim as far as doctor is concerned: it serves a head.
func (l *testLog) proxy(head []byte) string {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/sumdb/sum.example.com/supported", "/-/healthz":
		case "/sumdb/sum.example.com/latest":
			w.Write(head) //nolint:errcheck // doctor reports what it got
		default:
			http.NotFound(w, r)
		}
	}))
	l.t.Cleanup(server.Close)
	return server.URL
}

// upstream makes the log the one that mirror asks.
func (l *testLog) upstream() {
	server := httptest.NewServer(xsumdb.NewServer(l.server))
	l.t.Cleanup(server.Close)
	l.t.Setenv("GOSUMDB", l.key+" "+server.URL)
	l.t.Setenv("GONOSUMDB", "")
}

// open opens the bench's store.
func (b *bench) open() *registry.Store {
	b.t.Helper()
	client, err := remote.NewClient(remote.ClientOptions{})
	must(b.t, err)
	store, err := stores.Open(client, b.env["MODFERRY_REGISTRY"])
	must(b.t, err)
	return store
}

func (b *bench) loadSigner(file string) *sign.Signer {
	b.t.Helper()
	signer, err := sign.LoadSigner(file, func() ([]byte, error) { return []byte(b.env["COSIGN_PASSWORD"]), nil })
	must(b.t, err)
	return signer
}
