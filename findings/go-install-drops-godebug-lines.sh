#!/usr/bin/env bash
# Software: go 1.26.8 and 1.27.3: a tool whose go.mod says "go 1.24" and "godebug panicnil=1", from a GOPROXY in a directory:
#           built in its source, by "go install M@v1.0.0", and as "go tool" in a project.
# Expected: "go install M@v1.0.0" builds what its authors build: for that it refuses a go.mod with replace or exclude lines, which
#           "would cause it to be interpreted differently than if it were the main module". godebug lines are for main
#           modules, so they are refused or count. And one version with one sum is one program, wherever it is installed.
# Happens:  they are dropped without a word, exit 0. What the program recovers from panic(nil) is not what the one recovers
#           that is built in its source, of the same files by the same toolchain. "go get -tool" and "go tool" drop them, too, and
#           take the defaults of the project's own go line: of a tool that says "go 1.20", go install makes a program with the
#           behaviour of Go 1.20, and the project one with that of Go 1.26 (GODEBUG; "go version -m" has it as DefaultGODEBUG).
# Matters:  tools that keep an old TLS setting, an old certificate check or a routing rule alive by a godebug line work for their
#           authors, and otherwise where they were installed from a proxy. Test what go install makes; authors write //go:debug
#           lines in package main, which always count.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export GOFLAGS="-modcacherw -buildvcs=false" GOWORK=off
mkdir "$work/tool" "$work/source" "$work/directive" "$work/old"
cd "$work/source"
printf 'module example.com/tool\n\ngo 1.24\n\ngodebug panicnil=1\n' >go.mod
cat >main.go <<'EOF'
package main

import "fmt"

func main() {
	defer func() { fmt.Println(map[bool]string{true: "as before Go 1.21", false: "as since Go 1.21"}[recover() == nil]) }()
	panic(nil)
}
EOF
# The same with the setting where the main package is, and with an old go line instead.
sed 's/tool/directive/; /godebug/d' go.mod >"$work/directive/go.mod"
{ printf '//go:debug panicnil=1\n'; cat main.go; } >"$work/directive/main.go"
printf 'module example.com/old\n\ngo 1.20\n' >"$work/old/go.mod"
cp main.go "$work/old"

cd "$work/tool"
printf 'module example.com/pack\n\ngo 1.25\n' >go.mod
cat >main.go <<'EOF'
// Packs a directory as version v1.0.0 of a module, into a directory that is a GOPROXY: PROXY MODULE DIR.
package main

import (
	"os"

	"golang.org/x/mod/module"
	"golang.org/x/mod/zip"
)

func main() {
	m := module.Version{Path: os.Args[2], Version: "v1.0.0"}
	dir := os.Args[1] + "/" + m.Path + "/@v/"
	check(os.MkdirAll(dir, 0o777))
	check(os.WriteFile(dir+"list", []byte("v1.0.0\n"), 0o666))
	check(os.WriteFile(dir+"v1.0.0.info", []byte(`{"Version":"v1.0.0"}`), 0o666))
	mod, err := os.ReadFile(os.Args[3] + "/go.mod")
	check(err)
	check(os.WriteFile(dir+"v1.0.0.mod", mod, 0o666))
	f, err := os.Create(dir + "v1.0.0.zip")
	check(err)
	check(zip.CreateFromDir(f, m, os.Args[3]))
	check(f.Close())
}

func check(err error) {
	if err != nil {
		panic(err)
	}
}
EOF
go get golang.org/x/mod@v0.30.0 2>log || { cat log; exit 2; }
go run . "$work/proxy" example.com/tool "$work/source"
go run . "$work/proxy" example.com/directive "$work/directive"
go run . "$work/proxy" example.com/old "$work/old"

for toolchain in go1.26.8 go1.27.3; do
	go="$(GOTOOLCHAIN=$toolchain go env GOROOT)/bin/go"
	export GOTOOLCHAIN=local GOPROXY="file://$work/proxy" GOSUMDB=off GOMODCACHE="$work/cache" GOBIN="$work/$toolchain"
	(cd "$work/source" && "$go" build -o "$GOBIN/built")
	mkdir "$work/user-$toolchain"
	cd "$work/user-$toolchain"
	printf 'module example.com/user\n\ngo 1.26\n' >go.mod
	for m in tool directive old; do
		"$go" install example.com/$m@v1.0.0 2>log || { cat log; exit 1; }
		"$go" get -tool example.com/$m@v1.0.0 2>>log || { cat log; exit 1; }
		! grep -i godebug log || { echo "CHANGED: the line is mentioned"; exit 1; }
	done
	{
		echo "tool, built in its source: $("$GOBIN/built")"
		for m in tool directive old; do
			echo "$m, go install: $("$GOBIN/$m")"
			echo "$m, go tool: $("$go" tool $m)"
		done
	} | sed "s/^/$toolchain /" | tee out
	unset GOTOOLCHAIN GOPROXY GOSUMDB GOMODCACHE GOBIN
	diff - out <<EOF || { echo "CHANGED: the lines with < were expected"; exit 1; }
$toolchain tool, built in its source: as before Go 1.21
$toolchain tool, go install: as since Go 1.21
$toolchain tool, go tool: as since Go 1.21
$toolchain directive, go install: as before Go 1.21
$toolchain directive, go tool: as before Go 1.21
$toolchain old, go install: as before Go 1.21
$toolchain old, go tool: as since Go 1.21
EOF
done
echo "as stated: one version of a tool behaves in two ways, and go install says nothing of the godebug line that it drops"
