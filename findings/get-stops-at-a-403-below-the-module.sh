#!/usr/bin/env bash
# Software: go 1.26.8 and 1.27.3: "go get example.com/a/b/c", a package of the module example.com/a/b, from a GOPROXY on loopback.
# Expected: the go command asks for every path that might be the module, all at the same time: example.com/a/b/c, example.com/a/b,
#           example.com/a and example.com. One of them is it, and what a proxy says of the others does not matter.
# Happens:  it depends on where the other one lies. A 403 (or 500) for a path above the module is passed over without a word. The
#           same answer for the path below it, which no module ever had, ends "go get" with exit 1, after the module
#           was found and downloaded.
# Matters:  a proxy that refuses by path what its policy does not name ("403: not on the list") breaks every "go get" of a package
#           in a subdirectory of a module that is on the list by its exact path, and those only. Refuse what exists; of the rest
#           say that it is not there.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export GOFLAGS="-modcacherw -buildvcs=false" TMPDIR=$work
mkdir "$work/tool"
cd "$work/tool"
printf 'module example.com/tool\n\ngo 1.25\n' >go.mod
cat >main.go <<'EOF'
package main

import (
	"archive/zip"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path"
	"strings"
)

const lib = "example.com/a/b"

var (
	refused string // the path that is refused
	status  int    // and how
)

func serve(w http.ResponseWriter, r *http.Request) {
	m, file, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/@v/")
	switch {
	case m == refused:
		http.Error(w, "not on the list", status)
	case m != lib:
		http.NotFound(w, r)
	case file == "list":
		fmt.Fprintln(w, "v1.0.0")
	case path.Ext(file) == ".info":
		fmt.Fprint(w, `{"Version":"v1.0.0"}`)
	case path.Ext(file) == ".mod":
		fmt.Fprintf(w, "module %s\n", lib)
	default:
		z := zip.NewWriter(w)
		f, _ := z.Create(lib + "@v1.0.0/c/c.go")
		fmt.Fprintln(f, "package c")
		z.Close()
	}
}

func main() {
	proxy := httptest.NewServer(http.HandlerFunc(serve))
	for _, refused = range []string{"example.com", "example.com/a", "example.com/a/b/c"} {
		for _, status = range []int{404, 403, 500} {
			dir, err := os.MkdirTemp("", "user")
			if err == nil {
				err = os.WriteFile(dir+"/go.mod", []byte("module example.org/user\n\ngo 1.24\n"), 0o644)
			}
			if err != nil {
				panic(err)
			}
			cmd := exec.Command(os.Args[1], "get", lib+"/c")
			cmd.Dir = dir
			cmd.Env = append(os.Environ(), "GOPROXY="+proxy.URL, "GOSUMDB=off", "GOMODCACHE="+dir+"/cache", "GOTOOLCHAIN=local")
			out, _ := cmd.CombinedOutput()
			told := "silent"
			if strings.Contains(string(out), "not on the list") {
				told = "told"
			}
			fmt.Printf("%d for %s: exit %d, %s\n", status, refused, cmd.ProcessState.ExitCode(), told)
		}
	}
}
EOF
go build -o getter .
for toolchain in go1.26.8 go1.27.3; do
	go="$(GOTOOLCHAIN=$toolchain go env GOROOT)/bin/go"
	./getter "$go" | sed "s/^/$toolchain /" | tee -a out
	for want in '404 for example.com: exit 0, silent' '403 for example.com: exit 0, silent' '500 for example.com: exit 0, silent' \
		'404 for example.com/a: exit 0, silent' '403 for example.com/a: exit 0, silent' '500 for example.com/a: exit 0, silent' \
		'404 for example.com/a/b/c: exit 0, silent' '403 for example.com/a/b/c: exit 1, told' '500 for example.com/a/b/c: exit 1, told'; do
		grep -qxF "$toolchain $want" out || { echo "CHANGED: not \"$toolchain $want\""; exit 1; }
	done
done
echo "as stated: a refusal above the module is passed over, one below it ends go get"
