package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/modferry/modferry/artifact/sign"
	"github.com/modferry/modferry/artifact/sumdb"
	"github.com/modferry/modferry/artifact/sumdb/sumdbtest"
	"github.com/modferry/modferry/registry"
	"github.com/modferry/modferry/registry/remote"
	"github.com/modferry/modferry/registry/stores"
)

// testLog is a checksum database. It records what the bench's upstream has, and made-up versions.
type testLog struct {
	*sumdb.Log
	server *sumdbtest.Server
	t      *testing.T
	bench  *bench
}

func newTestLog(b *bench) *testLog {
	t := b.t
	t.Helper()
	l := &testLog{t: t, bench: b}
	var err error
	l.server, err = sumdbtest.NewServer(l.goSum)
	must(t, err)
	t.Cleanup(l.server.Close)
	l.Log, err = sumdb.ParseLog(l.server.Public)
	must(t, err)
	return l
}

func (l *testLog) goSum(path, version string) ([]byte, error) {
	m := path + "@" + version
	return fmt.Appendf(nil, "%s %s %s\n%s %s/go.mod %s\n", path, version, l.bench.zipSum(m), path, version, l.bench.goModSum(m)), nil
}

// rewrite makes the log forget everything and record other things from now on.
func (l *testLog) rewrite(salt string) { l.server.Rewrite(salt, l.goSum) }

// grow adds n records and returns the head that the log signs then.
func (l *testLog) grow(n int) []byte {
	l.t.Helper()
	head, err := l.server.Grow(l.t.Context(), n)
	must(l.t, err)
	return head
}

// publish puts a snapshot of the log at head into the bench's store. Signer may be nil.
func (l *testLog) publish(head []byte, signer *sign.Signer) {
	l.t.Helper()
	s, err := sumdb.Build(l.t.Context(), l.Log, head, l.server.Tile, sumdb.BuildOptions{})
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
	l.t.Setenv("GOSUMDB", l.server.GOSUMDB())
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
