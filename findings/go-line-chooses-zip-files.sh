#!/usr/bin/env bash
# Software: golang.org/x/mod v0.21.0 and v0.42.0 (zip.CreateFromDir), the go command 1.26 or 1.27.
# Expected: the files of a module zip depend on the tree and on nothing else, and every release of the library
#           that has the format picks the same ones: h1 sums in everybody's go.sum rest on that.
# Happens:  the new library reads the go line of go.mod first. From "go 1.24" on it leaves vendor/modules.txt out
#           and takes in a package directory below the root that is called vendor. A one-line edit of go.mod adds
#           a file to the zip and removes another. The old library does not look, so for one and the same tree the two
#           releases agree while go.mod says 1.23 and give different h1 sums as soon as it says 1.24.
# Matters:  a packer built with an x/mod of 2024 makes private modules that fail the checks of every go command, for
#           some modules only, from the day their go line is raised; and an importable package comes into being.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export GOFLAGS="-modcacherw -buildvcs=false" TMPDIR=$work

mkdir -p "$work/m/vendor/example.com/dep" "$work/m/pkg/vendor" "$work/tool"
printf 'package m\n' >"$work/m/m.go"
printf '# example.com/dep v1.0.0\n## explicit\nexample.com/dep\n' >"$work/m/vendor/modules.txt"
printf 'package dep\n' >"$work/m/vendor/example.com/dep/dep.go"
printf 'package vendor // people who sell things\n' >"$work/m/pkg/vendor/vendor.go"

cat >"$work/main.go" <<'EOF'
package main

import (
	"archive/zip"
	"fmt"
	"os"
	"strings"

	"golang.org/x/mod/module"
	"golang.org/x/mod/sumdb/dirhash"
	modzip "golang.org/x/mod/zip"
)

func main() {
	f, err := os.Create(os.Args[2])
	check(err)
	check(modzip.CreateFromDir(f, module.Version{Path: "example.com/m", Version: "v1.0.0"}, os.Args[1]))
	check(f.Close())
	sum, err := dirhash.HashZip(f.Name(), dirhash.Hash1)
	check(err)
	z, err := zip.OpenReader(f.Name())
	check(err)
	var names []string
	for _, e := range z.File {
		names = append(names, strings.TrimPrefix(e.Name, "example.com/m@v1.0.0/"))
	}
	fmt.Println(sum, strings.Join(names, ","))
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
}
EOF
for release in v0.21.0 v0.42.0; do
	mkdir "$work/$release"
	cd "$work/$release"
	cp ../main.go .
	printf 'module example.com/tool\n\ngo 1.23\n' >go.mod
	go get "golang.org/x/mod@$release" 2>../log || { cat ../log; exit 2; }
	go build -o "../zip-$release" .
done

for line in 1.23 1.24; do
	printf 'module example.com/m\n\ngo %s\n' "$line" >"$work/m/go.mod"
	for release in v0.21.0 v0.42.0; do
		echo "$line $release $("$work/zip-$release" "$work/m" "$work/$line-$release.zip")" | tee -a "$work/out"
	done
done

# What the go command itself says to both zips of the go 1.24 tree, when go.sum has the sum of the new one.
proxy="$work/proxy/example.com/m/@v"
mkdir -p "$proxy" "$work/user"
printf '{"Version":"v1.0.0"}' >"$proxy/v1.0.0.info"
cp "$work/m/go.mod" "$proxy/v1.0.0.mod"
cd "$work/user"
printf 'module example.com/user\n\ngo 1.24\n\nrequire example.com/m v1.0.0\n' >go.mod
export GOPROXY="file://$work/proxy" GONOSUMDB=example.com GOTOOLCHAIN=local
for release in v0.42.0 v0.21.0; do
	cp "$work/1.24-$release.zip" "$proxy/v1.0.0.zip"
	if GOMODCACHE="$work/cache-$release" go mod download example.com/m@v1.0.0 >"$work/log" 2>&1; then
		echo "go mod download, zip of $release: ok"
		accepted=$release
	else
		echo "go mod download, zip of $release: $(grep -m1 mismatch "$work/log")"
	fi
done

of() { awk -v line="$1" -v release="$2" -v field="$3" '$1 == line && $2 == release { print $field }' "$work/out"; }
[ "$(of 1.23 v0.21.0 3)" = "$(of 1.23 v0.42.0 3)" ] || { echo "CHANGED: the sums differ for go 1.23, too"; exit 1; }
[ "$(of 1.24 v0.21.0 3)" != "$(of 1.24 v0.42.0 3)" ] || { echo "CHANGED: the sums agree for go 1.24"; exit 1; }
[ "$(of 1.23 v0.42.0 4)" = go.mod,m.go,vendor/modules.txt ] || { echo "CHANGED: other files for go 1.23"; exit 1; }
[ "$(of 1.24 v0.42.0 4)" = go.mod,m.go,pkg/vendor/vendor.go ] || { echo "CHANGED: other files for go 1.24"; exit 1; }
[ "$accepted" = v0.42.0 ] || { echo "CHANGED: the go command accepts either zip"; exit 1; }
echo "as stated: the go line decides which files are in the zip, and only for the newer library"
