#!/usr/bin/env bash
# Software: the go command 1.26.8 and 1.27.3 against a GOPROXY on loopback that counts requests under way.
# Expected: downloading waits for the network and not for the processor, so the number of requests under way is some
#           constant; and "go mod download", made for filling caches, is at least as parallel as "go build".
# Happens:  1. the limit is GOMAXPROCS: on one processor every command fetches one file at a time, 40 modules cost at least
#              80 round trips in a row. (Since Go 1.25 GOMAXPROCS follows a container's CPU limit, too.)
#           2. "go mod download" asks for the .info files strictly one after another, whatever GOMAXPROCS is, while
#              "go list -m all" and "go build" ask for the same files up to the limit. Each module costs it a whole round
#              trip that the build does not pay.
# Matters:  a proxy that answers from a distant registry: the time of a cold CI job is modules times latency, and
#           a higher GOMAXPROCS in the environment of the go command speeds it up where there is one processor.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export GOFLAGS="-modcacherw -buildvcs=false" TMPDIR=$work
mkdir "$work/tool"
cd "$work/tool"
printf 'module example.com/tool\n\ngo 1.25\n' >go.mod
cat >main.go <<'EOF'
// Runs the commands against a proxy that needs 20 ms for an answer, and prints the most requests of a kind under way.
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
	"sync"
	"time"
)

const modules = 40

var (
	mu         sync.Mutex
	now, most  = map[string]int{}, map[string]int{}
	latency    = 20 * time.Millisecond
	goMod, src strings.Builder
)

func serve(w http.ResponseWriter, r *http.Request) {
	kind := path.Ext(r.URL.Path)
	mu.Lock()
	now[kind]++
	most[kind] = max(most[kind], now[kind])
	mu.Unlock()
	time.Sleep(latency)
	defer func() { mu.Lock(); now[kind]--; mu.Unlock() }()
	m, _, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/@v/")
	switch kind {
	case ".info":
		fmt.Fprint(w, `{"Version":"v1.0.0"}`)
	case ".mod":
		fmt.Fprintf(w, "module %s\n", m)
	case ".zip":
		z := zip.NewWriter(w)
		f, _ := z.Create(m + "@v1.0.0/m.go")
		fmt.Fprint(f, "package m\n")
		z.Close()
	default:
		http.NotFound(w, r)
	}
}

func main() {
	proxy := httptest.NewServer(http.HandlerFunc(serve))
	goMod.WriteString("module example.com/user\n\ngo 1.24\n\nrequire (\n")
	src.WriteString("package user\n\n")
	for i := range modules {
		fmt.Fprintf(&goMod, "\texample.com/m%d v1.0.0\n", i)
		fmt.Fprintf(&src, "import _ \"example.com/m%d\"\n", i)
	}
	goMod.WriteString(")\n")
	for i, args := range []string{"mod download", "list -mod=mod -m all", "build -mod=mod ./..."} {
		for _, procs := range []string{"1", "8"} {
			dir := fmt.Sprintf("user-%s-%d-%s", path.Base(os.Args[2]), i, procs)
			check(os.Mkdir(dir, 0o755))
			check(os.WriteFile(dir+"/go.mod", []byte(goMod.String()), 0o644))
			check(os.WriteFile(dir+"/user.go", []byte(src.String()), 0o644))
			clear(most)
			cmd := exec.Command(os.Args[1], strings.Fields(args)...)
			cmd.Dir = dir
			cmd.Env = append(os.Environ(), "GOMAXPROCS="+procs, "GOPROXY="+proxy.URL, "GOSUMDB=off",
				"GOMODCACHE="+os.Args[3]+"/"+dir+"/cache", "GOTOOLCHAIN=local")
			start := time.Now()
			out, err := cmd.CombinedOutput()
			if err != nil {
				fmt.Println(string(out))
			}
			check(err)
			fmt.Printf("%s GOMAXPROCS=%s go %s: .info %d .mod %d .zip %d # %.1f s\n",
				os.Args[2], procs, args, most[".info"], most[".mod"], most[".zip"], time.Since(start).Seconds())
		}
	}
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
}
EOF
go build -o counter .
for toolchain in go1.26.8 go1.27.3; do
	go="$(GOTOOLCHAIN=$toolchain go env GOROOT)/bin/go"
	./counter "$go" $toolchain "$PWD" | tee -a out
	for want in 'GOMAXPROCS=1 go mod download: .info 1 .mod 1 .zip 1 ' 'GOMAXPROCS=8 go mod download: .info 1 .mod [4-8] .zip [4-8] ' \
		'GOMAXPROCS=8 go list -mod=mod -m all: .info [4-8] .mod [4-8] .zip 0 ' 'GOMAXPROCS=1 go build -mod=mod ./...: .info 1 .mod 1 .zip 1 '; do
		grep -q "^$toolchain $want" out || { echo "CHANGED: not \"$toolchain $want\""; exit 1; }
	done
done
echo "as stated: as many requests as processors, and the .info files of go mod download one by one"
