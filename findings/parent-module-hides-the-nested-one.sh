#!/usr/bin/env bash
# Software: go 1.26.8 and 1.27.3 with GOPROXY=A,B, two directories: A has the module example.com/cloud alone, B has that and
#           example.com/cloud/storage, a module in a directory of its repository.
# Expected: A says correctly that it has no example.com/cloud/storage (404), so B is asked for it, as the comma is for. A proxy
#           that has more of a project's modules answers for more of them, and never for fewer.
# Happens:  1. "go get example.com/cloud/storage" and "go mod tidy" end with "module example.com/cloud found, but does not
#              contain package example.com/cloud/storage", which is final. Had A no example.com/cloud either, B would be asked,
#              and all is well; so it is with A|B. With a version, it fails where the parent has the same one in A (v1.4.0, as
#              modules that are released together have) and succeeds where not (v1.5.0). "go mod download" of it and a build
#              of a go.mod that has it succeed.
#           2. a version of another module that B alone has comes as "@v1.5.0", but "@v1.5" and "@>=v1.5.0" are "no matching
#              versions", since A's list is there and has none.
# Matters:  clouds, telemetry and storage libraries are a root module with hundreds of nested ones. A store of approved modules
#           before a general proxy: once the root is approved, each nested module that is not yet cannot be added any
#           more, and the message blames the module. Add it by "go mod edit -require", or have the general proxy first or "|".
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export GOFLAGS="-modcacherw -buildvcs=false" GOWORK=off
mkdir "$work/tool" "$work/user"
cd "$work/tool"
printf 'module example.com/tool\n\ngo 1.25\n' >go.mod
cat >main.go <<'EOF'
// Packs a version of a module, of one package, into a directory that is a GOPROXY: DIR MODULE VERSION.
package main

import (
	"archive/zip"
	"fmt"
	"os"
	"path"
)

func main() {
	dir, m, v := os.Args[1]+"/"+os.Args[2]+"/@v/", os.Args[2], os.Args[3]
	check(os.MkdirAll(dir, 0o777))
	check(os.WriteFile(dir+v+".info", fmt.Appendf(nil, `{"Version":%q}`, v), 0o666))
	check(os.WriteFile(dir+v+".mod", fmt.Appendf(nil, "module %s\n", m), 0o666))
	list, err := os.OpenFile(dir+"list", os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o666)
	check(err)
	fmt.Fprintln(list, v)
	check(list.Close())
	f, err := os.Create(dir + v + ".zip")
	check(err)
	z := zip.NewWriter(f)
	w, err := z.Create(m + "@" + v + "/x.go")
	check(err)
	fmt.Fprintln(w, "package", path.Base(m))
	check(z.Close())
	check(f.Close())
}

func check(err error) {
	if err != nil {
		panic(err)
	}
}
EOF
go build -o pack .
mkdir "$work/none"
./pack "$work/A" example.com/cloud v1.4.0
./pack "$work/A" example.com/lib v1.0.0
./pack "$work/B" example.com/cloud v1.4.0
./pack "$work/B" example.com/cloud/storage v1.4.0
./pack "$work/B" example.com/cloud/storage v1.5.0
for version in v1.0.0 v1.5.0 v1.5.1; do ./pack "$work/B" example.com/lib $version; done

cd "$work/user"
export GOSUMDB=off GOMODCACHE="$work/cache"
try() { # GOPROXY, arguments of the go command…: what came of it, in a new project and with an empty cache
	local result=exit0
	rm -rf "$GOMODCACHE"
	printf 'module example.com/user\n\ngo 1.24\n\n' >go.mod
	rm -f go.sum ./*.go
	case ${*:3} in
	*tidy) printf 'package user\n\nimport _ "example.com/cloud/storage"\n' >user.go ;;
	vet*) printf 'package user\n\nimport _ "example.com/cloud/storage"\n' >user.go
		printf 'require example.com/cloud/storage v1.4.0\n' >>go.mod ;;
	esac
	GOPROXY=$(sed -E "s#(A|B|none)#file://$work/\1#g" <<<"$1") GOTOOLCHAIN=local "${@:2}" >log 2>&1 || result=fails
	case $(cat log) in
	*"does not contain package"*) result="$result: does not contain package" ;;
	*"no matching versions"*) result="$result: no matching versions" ;;
	esac
	echo "$1 go ${*:3}: $result"
}
for toolchain in go1.26.8 go1.27.3; do
	go="$(GOPROXY= GOSUMDB= GOMODCACHE= GOTOOLCHAIN=$toolchain go env GOROOT)/bin/go"
	{
		try none,B "$go" get example.com/cloud/storage
		try A,B "$go" get example.com/cloud/storage
		try A,B "$go" get example.com/cloud/storage@v1.4.0
		try A,B "$go" get example.com/cloud/storage@v1.5.0
		try A,B "$go" mod tidy
		try 'A|B' "$go" get example.com/cloud/storage
		try A,B "$go" mod download example.com/cloud/storage@v1.4.0
		GOFLAGS="$GOFLAGS -mod=mod" try A,B "$go" vet ./...
		try A,B "$go" get example.com/lib@v1.5.0
		try A,B "$go" get example.com/lib@v1.5
		try A,B "$go" get 'example.com/lib@>=v1.5.0'
	} | sed "s/^/$toolchain /" | tee out
	diff - out <<EOF || { echo "CHANGED: the lines with < were expected"; exit 1; }
$toolchain none,B go get example.com/cloud/storage: exit0
$toolchain A,B go get example.com/cloud/storage: fails: does not contain package
$toolchain A,B go get example.com/cloud/storage@v1.4.0: fails: does not contain package
$toolchain A,B go get example.com/cloud/storage@v1.5.0: exit0
$toolchain A,B go mod tidy: fails: does not contain package
$toolchain A|B go get example.com/cloud/storage: exit0
$toolchain A,B go mod download example.com/cloud/storage@v1.4.0: exit0
$toolchain A,B go vet ./...: exit0
$toolchain A,B go get example.com/lib@v1.5.0: exit0
$toolchain A,B go get example.com/lib@v1.5: fails: no matching versions
$toolchain A,B go get example.com/lib@>=v1.5.0: fails: no matching versions
EOF
done
echo "as stated: the parent module in A makes the nested one in B unreachable for go get and go mod tidy"
