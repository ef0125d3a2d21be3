#!/usr/bin/env bash
# Software: go 1.26.8 and 1.27.3 with GOPROXY=A,B and GOPROXY=A|B on loopback; a checksum database by golang.org/x/mod v0.42.0,
#           which both serve under /sumdb/.
# Expected: the list is for the checksum database, too, which the go command reaches through its proxies: what A does not have
#           (404) B is asked for, module and record alike.
# Happens:  the module falls through to B, its record does not. Who answers /sumdb/NAME/supported first with 200 is the only one
#           that is asked for records, and whatever it says to these is final: "verifying go.mod: … 404 Not Found", with "," and
#           with "|", though B has the record. Only "supported" follows the rules of the list (404 and 410, with "|" any
#           failure).
# Matters:  a proxy for a part of the modules, before a general one in GOPROXY: its "yes, I have the database" makes every
#           module that comes from the second one fail, and only those whose sums go.sum does not have yet. The general one has
#           to come first, or the first must not answer for a database that it has in part.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export GOFLAGS="-modcacherw -buildvcs=false" TMPDIR=$work
mkdir "$work/tool"
cd "$work/tool"
printf 'module example.com/tool\n\ngo 1.26.0\n' >go.mod
cat >main.go <<'EOF'
package main

import (
	"archive/zip"
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"

	"golang.org/x/mod/sumdb"
	"golang.org/x/mod/sumdb/dirhash"
	"golang.org/x/mod/sumdb/note"
)

const goMod = "module example.com/m\n"

// first is the proxy that has neither the module nor its record, and answers "supported" and what comes after it so.
func first(supported, lookup int) *httptest.Server {
	return httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case strings.HasSuffix(r.URL.Path, "/supported"):
			w.WriteHeader(supported)
		case strings.HasPrefix(r.URL.Path, "/sumdb/"):
			w.WriteHeader(lookup)
		default:
			http.NotFound(w, r)
		}
	}))
}

func main() {
	var buf bytes.Buffer
	z := zip.NewWriter(&buf)
	f, err := z.Create("example.com/m@v1.0.0/go.mod")
	check(err)
	fmt.Fprint(f, goMod)
	check(z.Close())
	dir, err := os.MkdirTemp("", "user")
	check(err)
	check(os.WriteFile(dir+"/m.zip", buf.Bytes(), 0o644))
	zipSum, err := dirhash.HashZip(dir+"/m.zip", dirhash.Hash1)
	check(err)
	modSum, err := dirhash.Hash1([]string{"go.mod"}, func(string) (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(goMod)), nil })
	check(err)

	secret, public, err := note.GenerateKey(nil, "sum.example")
	check(err)
	log := sumdb.NewTestServer(secret, func(path, version string) ([]byte, error) {
		return fmt.Appendf(nil, "%s %s %s\n%[1]s %[2]s/go.mod %[4]s\n", path, version, zipSum, modSum), nil
	})
	database := http.StripPrefix("/sumdb/sum.example", sumdb.NewServer(log))
	second := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch name := strings.TrimPrefix(r.URL.Path, "/example.com/m/@v/"); {
		case strings.HasSuffix(r.URL.Path, "/supported"):
		case strings.HasPrefix(r.URL.Path, "/sumdb/"):
			database.ServeHTTP(w, r)
		case name == "v1.0.0.info":
			fmt.Fprint(w, `{"Version":"v1.0.0"}`)
		case name == "v1.0.0.mod":
			fmt.Fprint(w, goMod)
		case name == "v1.0.0.zip":
			w.Write(buf.Bytes())
		default:
			http.NotFound(w, r)
		}
	}))
	for _, separator := range []string{",", "|"} {
		for _, a := range []struct{ supported, lookup int }{{404, 404}, {410, 404}, {200, 404}, {200, 410}, {200, 500}, {500, 500}, {403, 403}} {
			cmd := exec.Command(os.Args[1], "mod", "download", "example.com/m@v1.0.0")
			cmd.Dir = dir
			os.RemoveAll(dir + "/gopath")
			cmd.Env = append(os.Environ(), "GOPROXY="+first(a.supported, a.lookup).URL+separator+second.URL, "GOSUMDB="+public,
				"GOPATH="+dir+"/gopath", "GOMODCACHE="+dir+"/gopath/mod", "GOTOOLCHAIN=local")
			out, _ := cmd.CombinedOutput()
			why := ""
			if strings.Contains(string(out), ": verifying ") {
				why = ", verifying"
			}
			fmt.Printf("A%sB, A says %d to supported and %d to lookups: exit %d%s\n", separator, a.supported, a.lookup, cmd.ProcessState.ExitCode(), why)
		}
	}
}

func check(err error) {
	if err != nil {
		panic(err)
	}
}
EOF
go get golang.org/x/mod@v0.42.0 2>log || { cat log; exit 2; }
go build -o asker .
for toolchain in go1.26.8 go1.27.3; do
	go="$(GOTOOLCHAIN=$toolchain go env GOROOT)/bin/go"
	./asker "$go" | sed "s/^/$toolchain /" | tee out
	for want in 'A,B, A says 404 to supported and 404 to lookups: exit 0' 'A,B, A says 410 to supported and 404 to lookups: exit 0' \
		'A,B, A says 200 to supported and 404 to lookups: exit 1, verifying' 'A,B, A says 200 to supported and 410 to lookups: exit 1, verifying' \
		'A,B, A says 500 to supported and 500 to lookups: exit 1, verifying' \
		'A|B, A says 200 to supported and 404 to lookups: exit 1, verifying' 'A|B, A says 200 to supported and 500 to lookups: exit 1, verifying' \
		'A|B, A says 500 to supported and 500 to lookups: exit 0' 'A|B, A says 403 to supported and 403 to lookups: exit 0'; do
		grep -qxF "$toolchain $want" out || { echo "CHANGED: not \"$toolchain $want\""; exit 1; }
	done
done
echo "as stated: the first proxy that has a checksum database is the only one that is asked for records"
