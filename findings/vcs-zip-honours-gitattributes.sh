#!/usr/bin/env bash
# Software: golang.org/x/mod v0.42.0 (zip.CreateFromVCS, zip.CreateFromDir), go 1.26 or 1.27 (GOPROXY=direct), git.
# Expected: CreateFromVCS is the library's way to get from a git revision to a module zip, and its comments say
#           that it follows what the go command does. So both give one h1 sum for one commit.
# Happens:  CreateFromVCS obeys export-ignore and export-subst in .gitattributes; the go command turns both off in
#           its own clone. Files vanish, others get a commit hash written into them, and the sum is another one.
#           CreateFromDir of the checked-out commit, the seemingly cruder way, agrees with the go command.
# Matters:  who packs private modules from git with CreateFromVCS stores a version that nobody's go.sum accepts,
#           but only for the few repositories that have such attributes: no test with an ordinary module shows it.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export GOFLAGS="-modcacherw -buildvcs=false" GIT_CONFIG_GLOBAL="$work/gitconfig" GIT_CONFIG_NOSYSTEM=1
shared_cache=$(go env GOMODCACHE)
mkdir -p "$work/repo/testdata" "$work/tool"

# A repository that is also reachable as example.com/attr.git, without any network.
git config --global user.name finder
git config --global user.email finder@example.com
git config --global init.defaultBranch main
git config --global url."file://$work/repo".insteadOf https://example.com/attr
cd "$work/repo"
git init -q
printf 'module example.com/attr.git\n\ngo 1.21\n' >go.mod
printf 'package attr\n\n// Commit is $Format:%%H$\nconst Version = "1.0.0"\n' >attr.go
printf 'large\n' >testdata/large.txt
printf 'testdata export-ignore\nattr.go export-subst\n' >.gitattributes
git add .
git commit -qm 'first'
git tag v1.0.0

cd "$work/tool"
cat >go.mod <<'EOF'
module example.com/tool

go 1.21
EOF
cat >main.go <<'EOF'
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
	m := module.Version{Path: "example.com/attr.git", Version: "v1.0.0"}
	show("CreateFromVCS", func(f *os.File) error { return modzip.CreateFromVCS(f, m, os.Args[1], "v1.0.0", "") })
	show("CreateFromDir", func(f *os.File) error { return modzip.CreateFromDir(f, m, os.Args[1]) })
}

func show(how string, create func(*os.File) error) {
	f, err := os.CreateTemp("", "zip")
	check(err)
	defer os.Remove(f.Name())
	check(create(f))
	check(f.Close())
	sum, err := dirhash.HashZip(f.Name(), dirhash.Hash1)
	check(err)
	z, err := zip.OpenReader(f.Name())
	check(err)
	var names []string
	for _, e := range z.File {
		_, name, _ := strings.Cut(e.Name, "@v1.0.0/")
		names = append(names, name)
	}
	fmt.Println(how, sum, strings.Join(names, ","))
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
}
EOF
GOMODCACHE=$shared_cache go get golang.org/x/mod@v0.42.0 2>"$work/log" || { cat "$work/log"; exit 2; }
GOMODCACHE=$shared_cache TMPDIR=$work go run . "$work/repo" >"$work/out"

cd "$work"
GOMODCACHE="$work/cache" GOPROXY=direct GONOSUMDB=example.com \
	go mod download -json example.com/attr.git@v1.0.0 >"$work/direct.json" || { cat "$work/direct.json"; exit 2; }
sum=$(sed -n 's/^\t"Sum": "\(.*\)",$/\1/p' "$work/direct.json")
dir=$(sed -n 's/^\t"Dir": "\(.*\)",$/\1/p' "$work/direct.json")
echo "go-command    $sum $(cd "$dir" && find . -type f | sed 's,^\./,,' | sort | paste -sd,)" >>"$work/out"
cat "$work/out"

of() { awk -v how="$1" '$1 == how { print $2 }' "$work/out"; }
[ "$(of go-command)" = "$(of CreateFromDir)" ] || { echo "CHANGED: CreateFromDir and the go command disagree"; exit 1; }
[ "$(of go-command)" != "$(of CreateFromVCS)" ] || { echo "CHANGED: CreateFromVCS and the go command agree"; exit 1; }
grep -q '^CreateFromVCS.*testdata' "$work/out" && { echo "CHANGED: export-ignore is not obeyed any more"; exit 1; }
echo "as stated: one commit, two sums; only CreateFromDir agrees with the go command"
