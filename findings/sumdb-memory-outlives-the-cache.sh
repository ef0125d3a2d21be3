#!/usr/bin/env bash
# Software: go 1.26.8 and 1.27.3; two checksum databases by golang.org/x/mod v0.42.0 with one key, the copy of a log as it was
#           yesterday and the log as it is today, on loopback.
# Expected: GOMODCACHE is all that the go command remembers of modules, the records and tiles of the checksum database are in it,
#           and a new one, or "go clean -modcache", is a fresh start. An environment with GOMODCACHE and GOCACHE needs no HOME.
# Happens:  the newest tree head that was seen lies in GOPATH/pkg/sumdb, whatever GOMODCACHE says, and stays there. The proof that
#           an older head belongs to it needs tiles, and those lie in GOMODCACHE. So with the cache that has seen today's log,
#           yesterday's copy serves its modules; with a new or a cleaned one each of them fails, "404 Not Found" for a tile,
#           though module, record and head are there and right. A new GOPATH mends it. And without HOME and GOPATH, "go mod
#           download" fails with "missing $GOPATH" for what is not in go.sum yet.
# Matters:  a laptop, or a runner with a lasting home and a fresh module cache for each job, which has talked to the public log
#           once and is then given a mirror with a snapshot of the log of last week: no module can be added, and the usual remedy,
#           cleaning the cache, makes it worse. Remove GOPATH/pkg/sumdb, or give the job a GOPATH of its own.
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
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path"
	"strings"

	"golang.org/x/mod/sumdb"
	"golang.org/x/mod/sumdb/dirhash"
	"golang.org/x/mod/sumdb/note"
)

// content returns the go.mod and the zip of version v1.0.0 of a module.
func content(m string) (string, []byte) {
	mod := "module " + m + "\n"
	var buf bytes.Buffer
	z := zip.NewWriter(&buf)
	f, err := z.Create(m + "@v1.0.0/go.mod")
	check(err)
	fmt.Fprint(f, mod)
	check(z.Close())
	return mod, buf.Bytes()
}

func sums(m, version string) ([]byte, error) {
	mod, zip := content(m)
	check(os.WriteFile("m.zip", zip, 0o644))
	zipSum, err := dirhash.HashZip("m.zip", dirhash.Hash1)
	check(err)
	modSum, err := dirhash.Hash1([]string{"go.mod"}, func(string) (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(mod)), nil })
	return fmt.Appendf(nil, "%s %s %s\n%[1]s %[2]s/go.mod %[4]s\n", m, version, zipSum, modSum), err
}

// proxy has all modules, and a log with records of the modules that somebody looked up, in that order.
func proxy(secret string) *httptest.Server {
	database := http.StripPrefix("/sumdb/sum.example", sumdb.NewServer(sumdb.NewTestServer(secret, sums)))
	return httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		m, file, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/@v/")
		mod, zip := content(m)
		switch {
		case strings.HasSuffix(r.URL.Path, "/supported"):
		case strings.HasPrefix(r.URL.Path, "/sumdb/"):
			defer func() {
				if recover() != nil { // a test server panics where a real one has no such tile
					http.NotFound(w, r)
				}
			}()
			database.ServeHTTP(w, r)
		case path.Ext(file) == ".info":
			fmt.Fprint(w, `{"Version":"v1.0.0"}`)
		case path.Ext(file) == ".mod":
			fmt.Fprint(w, mod)
		default:
			w.Write(zip)
		}
	}))
}

func main() {
	secret, public, err := note.GenerateKey(nil, "sum.example")
	check(err)
	yesterday, today := proxy(secret), proxy(secret)
	download := func(what string, from *httptest.Server, env []string, modules ...string) {
		for _, m := range modules {
			cmd := exec.Command(os.Args[1], "mod", "download", "example.com/"+m+"@v1.0.0")
			cmd.Env = append(append(os.Environ(), "GOPROXY="+from.URL, "GOSUMDB="+public, "GOTOOLCHAIN=local"), env...)
			cmd.Dir = os.TempDir()
			out, err := cmd.CombinedOutput()
			fmt.Printf("%s, %s: exit %d", what, m, cmd.ProcessState.ExitCode())
			for _, known := range []string{"/sumdb/sum.example/tile/", "404 Not Found", "missing $GOPATH"} {
				if err != nil && strings.Contains(string(out), known) {
					fmt.Print(", ", known)
				}
			}
			fmt.Println()
		}
	}
	env := func(gopath, cache string) []string {
		return []string{"GOPATH=" + os.TempDir() + "/" + gopath, "GOMODCACHE=" + os.TempDir() + "/" + cache}
	}
	// Both logs begin with the records of a and b; today's goes on.
	download("yesterday's log, another machine", yesterday, env("elsewhere", "elsewhere/mod"), "a", "b")
	download("today's log", today, env("gopath", "cache"), "a", "b", "c", "d")
	check(os.RemoveAll(os.TempDir() + "/cache/cache/download/example.com"))
	download("yesterday's log, same cache", yesterday, env("gopath", "cache"), "a")
	download("yesterday's log, new GOMODCACHE", yesterday, env("gopath", "new"), "a", "b")
	clean := exec.Command(os.Args[1], "clean", "-modcache")
	clean.Env = append(os.Environ(), env("gopath", "cache")...)
	check(clean.Run())
	download("yesterday's log, cleaned cache", yesterday, env("gopath", "cache"), "a")
	download("yesterday's log, new GOPATH", yesterday, env("other", "new2"), "a")
	download("no HOME and no GOPATH", yesterday, []string{"HOME=", "GOPATH=", "GOMODCACHE=" + os.TempDir() + "/new3", "GOCACHE=" + os.TempDir() + "/build"}, "a")
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
	rm -rf "$work/run"
	mkdir "$work/run"
	TMPDIR="$work/run" ./asker "$go" | sed "s/^/$toolchain /" | tee out
	diff - out <<EOF || { echo "CHANGED: the lines with < were expected"; exit 1; }
$toolchain yesterday's log, another machine, a: exit 0
$toolchain yesterday's log, another machine, b: exit 0
$toolchain today's log, a: exit 0
$toolchain today's log, b: exit 0
$toolchain today's log, c: exit 0
$toolchain today's log, d: exit 0
$toolchain yesterday's log, same cache, a: exit 0
$toolchain yesterday's log, new GOMODCACHE, a: exit 1, /sumdb/sum.example/tile/, 404 Not Found
$toolchain yesterday's log, new GOMODCACHE, b: exit 1, /sumdb/sum.example/tile/, 404 Not Found
$toolchain yesterday's log, cleaned cache, a: exit 1, /sumdb/sum.example/tile/, 404 Not Found
$toolchain yesterday's log, new GOPATH, a: exit 0
$toolchain no HOME and no GOPATH, a: exit 1, missing \$GOPATH
EOF
done
echo "as stated: what the go command remembers of the log outlives the module cache, and the proof that it needs does not"
