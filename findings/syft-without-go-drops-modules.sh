#!/usr/bin/env bash
# Software: syft v1.57.1 (syft scan dir:…), go 1.26 or 1.27; a project with golang.org/x/sync v0.18.0 and golang.org/x/text
#           v0.31.0.
# Expected: the SBOM of a directory says what go.mod and go.sum pin, and the same on each machine. "exclude M V1" and "replace M
#           V1 => …" in go.mod are about version V1 of M alone, as the reference has it.
# Happens:  syft asks a go command for the truth, if there is one and it gets all modules. Otherwise it reads go.mod by itself,
#           without a word: "exclude golang.org/x/sync v0.17.0" takes golang.org/x/sync away, whose v0.18.0 is built, and
#           "replace golang.org/x/text v0.30.0 => … v0.32.0" makes v0.32.0 of the v0.31.0 that is built. Exit is 0.
# Matters:  scanners run in images without Go, and inside closed networks, where the same project has another SBOM than on the
#           desk: a module with a vulnerability is not in it, or in a version that is mended. Compare the SBOM with "go version
#           -m" of the program, or scan the program.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export GOFLAGS="-modcacherw -buildvcs=false"
mkdir "$work/app" "$work/bin"
cd "$work/app"
GOTOOLCHAIN=auto GOBIN="$work/bin" go install github.com/anchore/syft/cmd/syft@v1.57.1 2>"$work/log" || { cat "$work/log"; exit 2; }
cat >go.mod <<'EOF'
module example.com/app

go 1.24.0

require (
	golang.org/x/sync v0.18.0
	golang.org/x/text v0.31.0
)

exclude golang.org/x/sync v0.17.0

replace golang.org/x/text v0.30.0 => golang.org/x/text v0.32.0
EOF
cat >main.go <<'EOF'
package main

import (
	"fmt"

	"golang.org/x/sync/errgroup"
	"golang.org/x/text/language"
)

func main() {
	fmt.Println(language.English, new(errgroup.Group).Wait())
}
EOF
go mod tidy 2>"$work/log" || { cat "$work/log"; exit 2; }
go build -o "$work/program" .
modules() { # the versions of the two modules in a text, in order
	grep -oE 'golang\.org/x/(sync|text)(@|	)v[0-9.]+' | tr '\t' '@' | sort -u | paste -sd' '
}
scan() { # by syft, told to be quiet for its progress and not for warnings
	"$work/bin/syft" scan dir:. -o json 2>"$work/log" | grep -o '"purl":"[^"]*"' | modules
}
go=$(dirname "$(command -v go)")
path=$(printf %s "$PATH" | tr : '\n' | while read -r dir; do [ -x "$dir/go" ] || echo "$dir"; done | paste -sd:)
{
	echo "in the program: $(go version -m "$work/program" | modules)"
	echo "syft with go: $(PATH="$go:$path" scan)"
	echo "syft without go: $(PATH="$path" scan), warnings: $(grep -cE 'sync|text|go\.mod|golist' "$work/log" || true)"
	echo "syft with go, no proxy and an empty module cache: $(PATH="$go:$path" GOPROXY=off GOMODCACHE="$work/empty" scan)"
} | tee "$work/out"
for want in 'in the program: golang.org/x/sync@v0.18.0 golang.org/x/text@v0.31.0' \
	'syft with go: golang.org/x/sync@v0.18.0 golang.org/x/text@v0.31.0' \
	'syft without go: golang.org/x/text@v0.32.0, warnings: 0' \
	'syft with go, no proxy and an empty module cache: golang.org/x/text@v0.32.0'; do
	grep -qxF "$want" "$work/out" || { echo "CHANGED: not \"$want\""; exit 1; }
done
echo "as stated: without a go command that gets everything, syft loses one module and misnames the other"
