#!/usr/bin/env bash
# Software: go 1.26.8 and 1.27.3, curl 7.88.1: one GOPROXY on loopback by https, on a port of its own, and a .netrc.
# Expected: "machine HOST" in .netrc, which knows hosts and no ports, is for the host, whatever the port: so it is to curl.
# Happens:  the go command sends nothing for "machine HOST" if the URL has a port, and sends the credentials for "machine
#           HOST:PORT", which is nothing to curl. There is no warning: the download ends with the 401 of the server. For
#           port 443, that is without a port in the URL, both agree.
# Matters:  a private proxy on a port such as 8443 and the .netrc line that its operator tested with curl give every
#           developer a 401. Serve it at 443, or have two lines in .netrc, with the port and without.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export GOFLAGS="-modcacherw -buildvcs=false" TMPDIR=$work
mkdir "$work/tool" "$work/home"
cd "$work/tool"
printf 'module example.com/tool\n\ngo 1.25\n' >go.mod
cat >main.go <<'EOF'
// Asks a proxy that wants a password by the go command or curl, and counts who shows it.
package main

import (
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"sync/atomic"
)

func main() {
	home := os.Args[1]
	var authorized atomic.Int64
	proxy := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, password, ok := r.BasicAuth(); ok && password == "secret" {
			authorized.Add(1)
		}
		w.Header().Set("WWW-Authenticate", "Basic")
		http.Error(w, "refused", http.StatusUnauthorized)
	}))
	cert := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: proxy.Certificate().Raw})
	check(os.WriteFile(home+"/cert.pem", cert, 0o600))
	withPort := strings.TrimPrefix(proxy.URL, "https://")
	host, _, _ := strings.Cut(withPort, ":")
	for _, machine := range []string{host, withPort} {
		check(os.WriteFile(home+"/.netrc", []byte("machine "+machine+" login me password secret\n"), 0o600))
		for _, command := range os.Args[2:] {
			words := []string{command, "mod", "download", "example.com/m@v1.0.0"}
			name := "go"
			if strings.HasSuffix(command, "curl") {
				name, words = "curl", []string{command, "-s", "--netrc-file", home + "/.netrc", "--cacert", home + "/cert.pem", "-o", os.DevNull, proxy.URL}
			}
			authorized.Store(0)
			cmd := exec.Command(words[0], words[1:]...)
			cmd.Dir = home
			cmd.Env = append(os.Environ(), "GOPROXY="+proxy.URL, "GOSUMDB=off", "HOME="+home, "SSL_CERT_FILE="+home+"/cert.pem",
				"GOMODCACHE="+home+"/cache", "GOTOOLCHAIN=local", "NETRC=", "GOAUTH=netrc")
			_ = cmd.Run() // the proxy refuses everything
			form := "HOST"
			if machine == withPort {
				form = "HOST:PORT"
			}
			fmt.Printf("%s, machine %s: %v\n", name, form, authorized.Load() > 0)
		}
	}
}

func check(err error) {
	if err != nil {
		panic(err)
	}
}
EOF
go build -o asker .
for toolchain in go1.26.8 go1.27.3; do
	"./asker" "$work/home" "$(GOTOOLCHAIN=$toolchain go env GOROOT)/bin/go" "$(command -v curl)" >out
	cat out
	for line in "go, machine HOST: false" "curl, machine HOST: true" "go, machine HOST:PORT: true" "curl, machine HOST:PORT: false"; do
		grep -qxF -- "$line" out || { echo "CHANGED: not \"$line\""; exit 1; }
	done
done
echo "as stated: the go command wants the port in .netrc, and curl wants it not to be there"
