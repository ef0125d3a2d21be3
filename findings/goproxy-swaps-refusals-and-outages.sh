#!/usr/bin/env bash
# Software: github.com/goproxy/goproxy v0.20.0, the library behind several public and company proxies, in front of another GOPROXY
#           (Fetcher with GOPROXY=URL); go 1.26.8 or later.
# Expected: it passes on what its upstream says, as the protocol has it: 404 and 410 are absence; a refusal (403) with its reason
#           stays a refusal; an outage (500, 502, 504) or a limit (429) is an error that ends the go command.
# Happens:  the other way round. A refusal is 500 "internal server error", its reason is for the server's log alone. An outage
#           and a limit, after ten tries, are 404 "not found: bad upstream" or "fetch timed out". For go the module does
#           not exist: with GOPROXY=A,B it goes on to B, and "go get -u" stays at the old version with exit 0.
# Matters:  a company proxy of this kind in front of a proxy that blocks by policy: developers see a broken server where a version
#           is blocked, and a missing module, or one from the next proxy, where the upstream is down or busy. Let go ask the
#           upstream itself, first in GOPROXY, and do not take a 404 of this one for absence.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export GOFLAGS="-modcacherw -buildvcs=false" GOWORK=off TMPDIR=$work
mkdir "$work/tool"
cd "$work/tool"
printf 'module example.com/tool\n\ngo 1.25\n' >go.mod
cat >main.go <<'EOF'
package main

import (
	"archive/zip"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path"
	"strings"

	"github.com/goproxy/goproxy"
)

const lib = "example.com/lib"

var status = http.StatusOK // of the upstream for v1.1.0 of example.com/lib

func upstream(w http.ResponseWriter, r *http.Request) {
	m, file, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/@v/")
	version := strings.TrimSuffix(file, path.Ext(file))
	switch {
	case m != lib:
		http.NotFound(w, r)
	case version == "v1.1.0" && status != http.StatusOK:
		http.Error(w, "held back by the scanner", status)
	case file == "list":
		fmt.Fprint(w, "v1.0.0\nv1.1.0\n")
	case path.Ext(file) == ".info":
		fmt.Fprintf(w, `{"Version":%q,"Time":"2025-01-01T00:00:00Z"}`, version)
	case path.Ext(file) == ".mod":
		fmt.Fprintf(w, "module %s\n", m)
	default:
		z := zip.NewWriter(w)
		f, _ := z.Create(m + "@" + version + "/lib.go")
		fmt.Fprintln(f, "package lib")
		z.Close()
	}
}

func main() {
	up := httptest.NewServer(http.HandlerFunc(upstream))
	for _, status = range []int{200, 400, 403, 404, 410, 429, 500, 502, 504} {
		dir, err := os.MkdirTemp("", "case")
		check(err)
		proxy := httptest.NewServer(&goproxy.Goproxy{
			Fetcher: &goproxy.GoFetcher{Env: append(os.Environ(), "GOPROXY="+up.URL, "GOSUMDB=off"), TempDir: dir},
			Cacher:  goproxy.DirCacher(dir + "/cacher"),
			TempDir: dir,
		})
		for _, file := range []string{"info", "zip"} {
			res, err := http.Get(proxy.URL + "/" + lib + "/@v/v1.1.0." + file)
			check(err)
			body, err := io.ReadAll(res.Body)
			check(err)
			if res.StatusCode == http.StatusOK {
				body = nil
			}
			fmt.Printf("upstream %d, .%s: %d %s\n", status, file, res.StatusCode, strings.TrimSpace(string(body)))
		}
		check(os.WriteFile(dir+"/go.mod", []byte("module example.com/user\n\ngo 1.24\n\nrequire "+lib+" v1.0.0\n"), 0o644))
		check(os.WriteFile(dir+"/user.go", []byte("package user\n\nimport _ \""+lib+"\"\n"), 0o644))
		cmd := exec.Command("go", "get", "-u", ".")
		cmd.Dir = dir
		cmd.Env = append(os.Environ(), "GOPROXY="+proxy.URL, "GOSUMDB=off", "GOMODCACHE="+dir+"/modules")
		_, _ = cmd.CombinedOutput()
		mod, err := os.ReadFile(dir + "/go.mod")
		check(err)
		fmt.Printf("upstream %d, go get -u: exit %d, v1.1.0 %t\n", status, cmd.ProcessState.ExitCode(), strings.Contains(string(mod), "v1.1.0"))
	}
}

func init() { log.SetOutput(io.Discard) }

func check(err error) {
	if err != nil {
		panic(err)
	}
}
EOF
go get github.com/goproxy/goproxy@v0.20.0 2>log || { cat log; exit 2; }
go run . 2>log | tee out
[ -s out ] || { cat log; exit 2; }
want() { grep -qxF -- "$1" out || { echo "CHANGED: not \"$1\""; exit 1; }; }
for file in info zip; do
	want "upstream 200, .$file: 200 "
	for absent in 404 410 400; do want "upstream $absent, .$file: 404 not found: held back by the scanner"; done
	want "upstream 403, .$file: 500 internal server error"
	for outage in 429 500 502; do want "upstream $outage, .$file: 404 not found: bad upstream"; done
	want "upstream 504, .$file: 404 not found: fetch timed out"
done
want "upstream 200, go get -u: exit 0, v1.1.0 true"
want "upstream 403, go get -u: exit 1, v1.1.0 false"
for outage in 429 500 502 504; do want "upstream $outage, go get -u: exit 0, v1.1.0 false"; done
echo "as stated: a refusal becomes a broken server, and an outage a module that does not exist"
