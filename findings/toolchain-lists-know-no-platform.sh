#!/usr/bin/env bash
# Software: go 1.26.8 and 1.27.3 with GOTOOLCHAIN=auto, and a GOPROXY on loopback that has some toolchains.
# Expected: golang.org/toolchain/@v/list names releases with their platforms (v0.0.1-go1.98.2.plan9-386), so that the go command
#           chooses the newest one that is there for its own.
# Happens:  the platform is cut off before the choice. One newer release for plan9-386 in the list, and on all other platforms
#           "go install M@latest" of a module that says "go 1.98" asks for go1.98.2, gets 404 and ends with "toolchain not
#           available", though go1.98.1 for its platform is there, would do, and is what it asks for without that line. "go get
#           toolchain@latest", "go get go@1.98" and even "go list -m -versions go" fail in the same way.
# Matters:  a mirror that has toolchains for the platforms that people asked for: who adds the newest release for one machine
#           takes the automatic choice away from all others. Mirror each release for all platforms, or for none.
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
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync"
)

var (
	mu    sync.Mutex
	list  string   // of toolchains
	asked []string // for toolchains
)

func serve(w http.ResponseWriter, r *http.Request) {
	m, file, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/@v/")
	version := strings.TrimSuffix(file, path.Ext(file))
	ext := path.Ext(file)
	if m == "golang.org/toolchain" && file != "list" {
		mu.Lock()
		asked = append(asked, regexp.MustCompile(`go\d+\.\d+\.\d+`).FindString(file))
		mu.Unlock()
	}
	switch {
	case strings.HasSuffix(r.URL.Path, "/supported"): // nobody else is to be asked
	case m == "golang.org/toolchain" && file == "list":
		fmt.Fprint(w, list)
	case m == "golang.org/toolchain" && !strings.Contains(list, version+"\n"), m != "golang.org/toolchain" && m != "example.com/m":
		http.NotFound(w, r)
	case file == "list":
		fmt.Fprintln(w, "v1.0.0")
	case ext == ".info":
		fmt.Fprintf(w, `{"Version":%q}`, version)
	case ext == ".mod" && m == "example.com/m":
		fmt.Fprintf(w, "module %s\n\ngo 1.98\n", m)
	case ext == ".mod":
		fmt.Fprintln(w, "module", m)
	default: // of a toolchain an empty one, which the checksum database does not know: which one is asked for is what counts
		z := zip.NewWriter(w)
		if m == "example.com/m" {
			f, _ := z.Create(m + "@" + version + "/go.mod")
			fmt.Fprintf(f, "module %s\n\ngo 1.98\n", m)
			f, _ = z.Create(m + "@" + version + "/main.go")
			fmt.Fprint(f, "package main\n\nfunc main() {}\n")
		}
		z.Close()
	}
}

func main() {
	proxy := httptest.NewServer(http.HandlerFunc(serve))
	dir, err := os.MkdirTemp("", "user")
	if err != nil {
		panic(err)
	}
	here := fmt.Sprintf("v0.0.1-go1.98.0.%[1]s-%[2]s\nv0.0.1-go1.98.1.%[1]s-%[2]s\n", runtime.GOOS, runtime.GOARCH)
	for _, lists := range []struct{ name, text string }{{"own platform", here}, {"and another's", here + "v0.0.1-go1.98.2.plan9-386\n"}} {
		list = lists.text
		for _, args := range []string{"install example.com/m@latest", "get toolchain@latest", "get go@1.98", "list -m -versions go"} {
			asked = nil
			if err := os.WriteFile(dir+"/go.mod", []byte("module example.com/user\n\ngo 1.24\n"), 0o644); err != nil {
				panic(err)
			}
			cmd := exec.Command(os.Args[1], strings.Fields(args)...)
			cmd.Dir = dir
			cmd.Env = append(os.Environ(), "GOPROXY="+proxy.URL, "GOSUMDB=sum.golang.org", "GONOSUMDB=example.com", "GOPATH="+dir+"/gopath", "GOMODCACHE="+dir+"/cache", "GOBIN="+dir, "GOTOOLCHAIN=auto")
			_, err := cmd.CombinedOutput() // which fails in any case where it takes a toolchain, for there is no real one
			slices.Sort(asked)
			chosen := strings.Join(slices.Compact(asked), " ")
			if !strings.Contains(here, chosen+".") {
				chosen += fmt.Sprintf(", which is not there, and fails: %t", err != nil)
			}
			fmt.Printf("%s: go %s asks for %s\n", lists.name, args, chosen)
			os.RemoveAll(dir + "/cache")
		}
	}
}
EOF
go build -o chooser .
for toolchain in go1.26.8 go1.27.3; do
	go="$(GOTOOLCHAIN=$toolchain go env GOROOT)/bin/go"
	./chooser "$go" | sed "s/^/$toolchain /" | tee out
	for args in "install example.com/m@latest" "get toolchain@latest" "get go@1.98" "list -m -versions go"; do
		for want in "own platform: go $args asks for go1.98.1" "and another's: go $args asks for go1.98.2, which is not there, and fails: true"; do
			grep -qxF "$toolchain $want" out || { echo "CHANGED: not \"$toolchain $want\""; exit 1; }
		done
	done
done
echo "as stated: a release for another platform in the list is what the go command chooses"
