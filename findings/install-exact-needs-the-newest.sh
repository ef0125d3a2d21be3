#!/usr/bin/env bash
# Software: go 1.26.8 and 1.27.3: "go run" and "go install" of a package at an exact version, from a GOPROXY on loopback.
# Expected: a version that is named exactly and is in the module cache, complete, takes no other version; so it is for "go get",
#           "go list -m" and "go mod download", which do not even ask.
# Happens:  "go run M/c@v1.0.0" asks for @v/list each time, chooses the newest version, v1.1.0, and reads the go.mod of that,
#           for a word of deprecation. If the list, the .info or the .mod of v1.1.0 cannot be had (404, 403 and 500 alike), the
#           tool of v1.0.0 is not run and not installed: exit 1, "loading deprecation". So GOPROXY=off or no network stop it,
#           too, with a full cache.
# Matters:  a release that a scanner or a policy holds back (403) breaks the pinned installation of all older releases that are
#           allowed, and the pinned "go run" lines of Makefiles need the proxy at every run. Leave out of lists what is not
#           served; in a project use "go get -tool" and "go tool", which take go.sum's word.
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

const lib = "example.com/lib"

var (
	failing string // the file that fails
	status  int    // and how
)

func serve(w http.ResponseWriter, r *http.Request) {
	m, file, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/@v/")
	version := strings.TrimSuffix(file, path.Ext(file))
	switch {
	case m != lib:
		http.NotFound(w, r)
	case file == failing:
		http.Error(w, "refused", status)
	case file == "list":
		fmt.Fprint(w, "v1.0.0\nv1.1.0\n")
	case path.Ext(file) == ".info":
		fmt.Fprintf(w, `{"Version":%q}`, version)
	case path.Ext(file) == ".mod":
		fmt.Fprintf(w, "module %s\n", m)
	default:
		z := zip.NewWriter(w)
		f, _ := z.Create(m + "@" + version + "/c/main.go")
		fmt.Fprintln(f, "package main\n\nfunc main() {}")
		z.Close()
	}
}

func main() {
	proxy := httptest.NewServer(http.HandlerFunc(serve))
	dir, err := os.MkdirTemp("", "user")
	if err == nil {
		err = os.WriteFile(dir+"/go.mod", []byte("module example.com/user\n\ngo 1.24\n"), 0o644)
	}
	if err != nil {
		panic(err)
	}
	run := func(proxy, args string) string {
		cmd := exec.Command(os.Args[1], strings.Fields(args)...)
		cmd.Dir = dir
		cmd.Env = append(os.Environ(), "GOPROXY="+proxy, "GOSUMDB=off", "GOMODCACHE="+dir+"/cache", "GOBIN="+dir, "GOTOOLCHAIN=local")
		out, _ := cmd.CombinedOutput()
		told := ""
		if strings.Contains(string(out), "loading deprecation") {
			told = ", loading deprecation"
		}
		return fmt.Sprintf("exit %d%s", cmd.ProcessState.ExitCode(), told)
	}
	commands := []string{"run M/c@v1.0.0", "install M/c@v1.0.0", "get M@v1.0.0", "list -m M@v1.0.0", "mod download M@v1.0.0"}
	for _, args := range commands {
		args = strings.ReplaceAll(args, "M", lib)
		fmt.Printf("go %s, nothing fails: %s\n", args, run(proxy.URL, args))
		for _, failing = range []string{"list", "v1.1.0.info", "v1.1.0.mod"} {
			for _, status = range []int{404, 403, 500} {
				// What the runs before have left of the newest version is no part of this.
				newest := dir + "/cache/cache/download/" + lib + "/@v/v1.1.0"
				for _, ext := range []string{".info", ".mod"} {
					os.Remove(newest + ext)
				}
				fmt.Printf("go %s, %d for %s: %s\n", args, status, failing, run(proxy.URL, args))
			}
		}
		failing = ""
		fmt.Printf("go %s, GOPROXY=off: %s\n", args, run("off", args))
	}
}
EOF
go build -o runner .
for toolchain in go1.26.8 go1.27.3; do
	go="$(GOTOOLCHAIN=$toolchain go env GOROOT)/bin/go"
	./runner "$go" | sed "s/^/$toolchain /" | tee out
	[ "$(grep -c 'nothing fails: exit 0' out)" = 5 ] || { echo "CHANGED: fails without a failure"; exit 1; }
	for command in "run example.com/lib/c" "install example.com/lib/c"; do
		[ "$(grep -c "go $command@v1.0.0, .*: exit 1, loading deprecation" out)" = 10 ] || { echo "CHANGED: go $command"; exit 1; }
	done
	for command in get "list -m" "mod download"; do
		[ "$(grep -c "go $command example.com/lib@v1.0.0, .*: exit 0" out)" = 11 ] || { echo "CHANGED: go $command"; exit 1; }
	done
done
echo "as stated: an exact version is run and installed only where the newest one can be asked about"
