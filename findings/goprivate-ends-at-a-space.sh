#!/usr/bin/env bash
# Software: go 1.26.8 and 1.27.3: GOPRIVATE="corp.example, partner.example" (and GONOSUMDB, GONOPROXY), golang.org/x/mod
#           v0.42.0.
# Expected: a space after a comma means nothing, as in GOPROXY="https://a, https://b", which works; or "go env -w", which checks
#           what it is given, refuses it.
# Happens:  "go env -w" takes it, "go env" shows it, and every pattern after a space matches no module. So the name of
#           partner.example's private module goes to the proxy, and its sum is asked for at the public checksum database; only
#           the first pattern of the list works. module.MatchPrefixPatterns of x/mod, which other tools use, is the same.
# Matters:  the first team's modules are protected, so the setting looks tested; the names of all others are told to a third
#           party with each "go get", and nothing says so. Check lists for spaces where they are written.
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
	"strings"
	"sync"

	"golang.org/x/mod/module"
)

func main() {
	var mu sync.Mutex
	var asked []string
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		asked = append(asked, r.URL.Path)
		mu.Unlock()
		switch {
		case strings.HasSuffix(r.URL.Path, "/supported"):
		case strings.HasSuffix(r.URL.Path, ".info"):
			fmt.Fprint(w, `{"Version":"v1.0.0"}`)
		case strings.HasSuffix(r.URL.Path, ".mod"):
			fmt.Fprintln(w, "module", strings.Split(r.URL.Path[1:], "/@v/")[0])
		case strings.HasSuffix(r.URL.Path, ".zip"):
			z := zip.NewWriter(w)
			f, _ := z.Create(strings.Split(r.URL.Path[1:], "/@v/")[0] + "@v1.0.0/m.go")
			fmt.Fprintln(f, "package m")
			z.Close()
		default:
			http.NotFound(w, r)
		}
	}))
	dir, err := os.MkdirTemp("", "user")
	if err != nil {
		panic(err)
	}
	run := func(extra, args string) string {
		cmd := exec.Command(os.Args[1], strings.Split(args, "|")...)
		cmd.Dir = dir
		cmd.Env = append(os.Environ(), "GOENV="+dir+"/env", "GOPATH="+dir+"/gopath", "GOPROXY="+proxy.URL, "GOMODCACHE="+dir+"/cache", "GOVCS=*:off", "GOTOOLCHAIN=local", extra)
		out, err := cmd.CombinedOutput()
		if err != nil && strings.HasPrefix(args, "env") {
			panic(string(out))
		}
		return strings.TrimSpace(string(out))
	}
	// told says what the proxy hears of a private module's name when its go.mod is asked for: nothing is the aim.
	told := func(extra, path string) (all string) {
		os.RemoveAll(dir + "/cache")
		asked = nil
		run(extra, "mod|download|"+path+"@v1.0.0")
		for _, a := range asked {
			if a == "/"+path+"/@v/v1.0.0.info" {
				all += " name"
			}
			if a == "/sumdb/sum.golang.org/lookup/"+path+"@v1.0.0" {
				all += " sum"
			}
		}
		return strings.TrimSpace(all + strings.Repeat("nothing", 1-min(1, len(all))))
	}
	for _, list := range []string{"corp.test,partner.test", "corp.test, partner.test"} {
		run("X=", "env|-w|GOPRIVATE="+list)
		fmt.Printf("go env GOPRIVATE: %q\n", run("X=", "env|GOPRIVATE"))
		for _, path := range []string{"corp.test/m", "partner.test/m"} {
			fmt.Printf("%q, told of %s: %s\n", list, path, told("X=", path))
			fmt.Printf("%q, x/mod matches %s: %t\n", list, path, module.MatchPrefixPatterns(list, path))
		}
	}
	fmt.Printf("GOPROXY with spaces, told of other.test/m: %s\n", told("GOPROXY= http://127.0.0.1:1 | "+proxy.URL+" ", "other.test/m"))
}
EOF
go get golang.org/x/mod@v0.42.0 2>log || { cat log; exit 2; }
go build -o asker .
for toolchain in go1.26.8 go1.27.3; do
	go="$(GOTOOLCHAIN=$toolchain go env GOROOT)/bin/go"
	./asker "$go" | sed "s/^/$toolchain /" | tee out
	for want in 'go env GOPRIVATE: "corp.test, partner.test"' '"corp.test,partner.test", told of partner.test/m: nothing' \
		'"corp.test, partner.test", told of corp.test/m: nothing' '"corp.test, partner.test", told of partner.test/m: name sum' \
		'"corp.test, partner.test", x/mod matches partner.test/m: false' '"corp.test,partner.test", x/mod matches partner.test/m: true' \
		'GOPROXY with spaces, told of other.test/m: name sum'; do
		grep -qxF "$toolchain $want" out || { echo "CHANGED: not \"$toolchain $want\""; exit 1; }
	done
done
echo "as stated: the patterns after a space match nothing, and the proxy is told"
