#!/usr/bin/env bash
# Software: the go command, 1.26 (go mod download, and every command that fetches several modules), from a GOPROXY by http://.
# Expected: as HTTP/1.1 has it, a connection is used again: about as many connections as requests are made at a time, here 8.
# Happens:  it keeps two idle connections to a host, whatever the number of requests it makes at a time (net/http's
#           DefaultMaxIdleConnsPerHost), and closes the others after each answer. For 120 modules, 360 requests at 8 at a
#           time, it opens some 46; for the 1,125 files that cosign's go.mod asks for, 156. By https:// it is one connection.
# Matters:  whoever sizes a proxy or the load balancer before it by "a few connections for each client" is wrong several
#           times over: ports of NAT gateways and TIME_WAIT run out first. With TLS ended at a balancer that speaks HTTP/1.1
#           only, each of these is a handshake, too. A proxy cannot mend it; offer HTTPS with HTTP/2 up to the clients.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export GOFLAGS="-modcacherw -buildvcs=false" GOTOOLCHAIN=local
cd "$work"
mkdir client
cat >main.go <<'GO'
// It is a GOPROXY with modules m0 … m119, each answer taking 5 ms, and counts connections and requests at a time.
package main

import (
	"archive/zip"
	"bytes"
	"crypto/tls"
	"encoding/pem"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path"
	"strings"
	"sync/atomic"
	"time"
)

const modules = 120

func answer(w http.ResponseWriter, r *http.Request) {
	time.Sleep(5 * time.Millisecond)
	m := strings.TrimPrefix(strings.Split(r.URL.Path, "/@v/")[0], "/")
	switch path.Ext(r.URL.Path) {
	case ".info":
		fmt.Fprint(w, `{"Version":"v1.0.0"}`)
	case ".mod":
		fmt.Fprintf(w, "module %s\n", m)
	case ".zip":
		var b bytes.Buffer
		z := zip.NewWriter(&b)
		f, _ := z.Create(m + "@v1.0.0/go.mod")
		fmt.Fprintf(f, "module %s\n", m)
		z.Close()
		w.Write(b.Bytes())
	default:
		http.NotFound(w, r)
	}
}

func main() {
	for _, secure := range []bool{false, true} {
		var connections, requests, active, most atomic.Int64
		s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			requests.Add(1)
			for n := active.Add(1); ; {
				if old := most.Load(); n <= old || most.CompareAndSwap(old, n) {
					break
				}
			}
			defer active.Add(-1)
			answer(w, r)
		}))
		s.Config.ConnState = func(_ net.Conn, state http.ConnState) {
			if state == http.StateNew {
				connections.Add(1)
			}
		}
		s.EnableHTTP2, s.TLS = true, &tls.Config{}
		if secure {
			s.StartTLS()
			os.WriteFile("ca.pem", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw}), 0o600)
		} else {
			s.Start()
		}
		args := []string{"mod", "download"}
		for i := range modules {
			args = append(args, fmt.Sprintf("example.com/m%d@v1.0.0", i))
		}
		cmd := exec.Command("go", args...)
		cache, _ := os.MkdirTemp(".", "cache")
		wd, _ := os.Getwd()
		cmd.Dir = "client"
		cmd.Env = append(os.Environ(), "GOPROXY="+s.URL, "GOMODCACHE="+path.Join(wd, cache), "GOSUMDB=off", "GOMAXPROCS=8", "SSL_CERT_FILE="+path.Join(wd, "ca.pem"))
		if out, err := cmd.CombinedOutput(); err != nil {
			fmt.Printf("%v\n%s", err, out)
			os.Exit(2)
		}
		s.Close()
		word := "few"
		if connections.Load() > 3*most.Load() {
			word = "many"
		}
		fmt.Printf("secure %t: %s connections (%d for %d requests, %d at a time)\n", secure, word, connections.Load(), requests.Load(), most.Load())
	}
}
GO
printf 'module example.com/proxy\n\ngo 1.24\n' >go.mod
printf 'module example.com/client\n\ngo 1.24\n' >client/go.mod
go run . | tee out
grep -q '^secure false: many' out || { echo "CHANGED: connections by plain HTTP are used again"; exit 1; }
grep -q '^secure true: few' out || { echo "CHANGED: connections by HTTPS are many"; exit 1; }
echo "as stated: by plain HTTP the go command opens many times as many connections as it makes requests at a time"
