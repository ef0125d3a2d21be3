#!/usr/bin/env bash
# Software: go 1.26.8 and 1.27.3: the go command against one GOPROXY on loopback, by http and by https.
# Expected: a request that the proxy answers with 404, 410 or 429 is made once; a second try with credentials
#           needs credentials, and GOAUTH=off says that there are none.
# Happens:  by https every answer from 400 to 499 is followed at once by the same request again, unchanged: with GOAUTH=off,
#           without a .netrc, for 404 and 410 as for 401, and for 429 without a look at Retry-After. By http each is made
#           once. "go mod download -x" shows one line for both, so only the proxy knows.
# Matters:  a miss is the most frequent answer of a proxy for private modules (a go get probes each parent path). Moving it from
#           plain http on loopback to TLS doubles the misses that go through to the registry, fills rate limits
#           twice as fast, and makes counts of misses wrong by a factor of two. Remember absence for a moment.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export GOFLAGS="-modcacherw -buildvcs=false" TMPDIR=$work
mkdir "$work/tool" "$work/empty-home"
cd "$work/tool"
printf 'module example.com/tool\n\ngo 1.25\n' >go.mod
cat >main.go <<'EOF'
// Runs "go mod download -x" against a proxy that refuses everything, and counts what it is asked and what is shown.
package main

import (
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"regexp"
	"sync/atomic"
)

func main() {
	goCommand, name, home := os.Args[1], os.Args[2], os.Args[3]
	var status, asked, authorized atomic.Int64
	refuse := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		if r.Header.Get("Authorization") != "" {
			authorized.Add(1)
		}
		w.Header().Set("Retry-After", "60")
		http.Error(w, "refused", int(status.Load()))
	})
	plain, secure := httptest.NewServer(refuse), httptest.NewTLSServer(refuse)
	cert := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: secure.Certificate().Raw})
	if err := os.WriteFile(home+"/cert.pem", cert, 0o600); err != nil {
		panic(err)
	}
	for _, proxy := range []string{plain.URL, secure.URL} {
		for _, code := range []int64{404, 410, 429, 503} {
			status.Store(code)
			asked.Store(0)
			cmd := exec.Command(goCommand, "mod", "download", "-x", "example.com/m@v1.0.0")
			cmd.Dir = home
			cmd.Env = append(os.Environ(), "GOPROXY="+proxy, "GOAUTH=off", "GOSUMDB=off", "HOME="+home,
				"SSL_CERT_FILE="+home+"/cert.pem", "GOMODCACHE="+home+"/cache", "GOTOOLCHAIN=local")
			out, err := cmd.CombinedOutput()
			if err == nil {
				fmt.Println("the download did not fail")
			}
			scheme := "http"
			if proxy == secure.URL {
				scheme = "https"
			}
			fmt.Printf("%s %s %d: asked %d times, shown %d, with credentials %d\n",
				name, scheme, code, asked.Load(), len(regexp.MustCompile(fmt.Sprintf(`(?m)^# get .*: %d `, code)).FindAll(out, -1)), authorized.Load())
		}
	}
}
EOF
go build -o counter .
for toolchain in go1.26.8 go1.27.3; do
	go="$(GOTOOLCHAIN=$toolchain go env GOROOT)/bin/go"
	./counter "$go" $toolchain "$work/empty-home" | tee -a out
done

expect() { grep -qxF -- "$1" out || { echo "CHANGED: not \"$1\""; exit 1; }; }
for toolchain in go1.26.8 go1.27.3; do
	for code in 404 410 429; do
		expect "$toolchain http $code: asked 1 times, shown 1, with credentials 0"
		expect "$toolchain https $code: asked 2 times, shown 1, with credentials 0"
	done
	expect "$toolchain https 503: asked 1 times, shown 1, with credentials 0"
done
echo "as stated: by https each refusal is asked for twice, though there are no credentials to try"
