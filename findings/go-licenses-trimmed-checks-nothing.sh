#!/usr/bin/env bash
# Software: github.com/google/go-licenses v2.0.1, built by go 1.26.8 with and without -trimpath, on a project with
#           golang.org/x/mod v0.30.0 (BSD-3-Clause), with the toolchain that built it and with go 1.27.3.
# Expected: -trimpath takes directories out of a program and leaves its answers. "go-licenses check --allowed_licenses=MIT" fails
#           for a BSD licence, and "report" and "save" have the module, with whatever toolchain the project is built.
# Happens:  the program built with -trimpath has no GOROOT in it, takes "/" for it, and everything below that for the standard
#           library, which needs no licence: "check" exits with 0 and prints nothing, "report" is empty, "save" saves nothing.
#           The one without -trimpath knows the standard library of the toolchain that built it only: in a project with a
#           toolchain line it ends with "Package net/http does not have module info". Setting GOROOT mends both.
# Matters:  the flag is in many a GOFLAGS, for reproducible builds. The gate for licences is green from that day on, for every
#           project and every licence. Have the gate fail on an empty report, and run it with GOROOT="$(go env GOROOT)".
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export GOFLAGS="-modcacherw -buildvcs=false" GOWORK=off
unset GOROOT
mkdir "$work/build" "$work/project"
cd "$work/build"
export GOTOOLCHAIN=go1.26.8
printf 'module example.com/build\n\ngo 1.25\n' >go.mod
go get github.com/google/go-licenses/v2@v2.0.1 2>log || { cat log; exit 2; }
go build -o "$work/plain" github.com/google/go-licenses/v2
go build -trimpath -o "$work/trimmed" github.com/google/go-licenses/v2

cd "$work/project"
printf 'module example.com/project\n\ngo 1.25\n\nrequire golang.org/x/mod v0.30.0\n' >go.mod
cat >main.go <<'EOF'
package main

import (
	"net/http"

	"golang.org/x/mod/semver"
)

func main() { println(http.MethodGet, semver.IsValid("v1.0.0")) }
EOF
printf 'MIT License\n\nPermission is hereby granted, free of charge, to any person' >LICENSE
go mod tidy 2>log || { cat log; exit 2; }
go build -o /dev/null .
report() { # program, toolchain of the project, variables…: whether it passes the gate, and what is reported
	local code=0 modules saved
	env "${@:3}" GOTOOLCHAIN="$2" "$work/$1" check --ignore example.com/project --allowed_licenses=MIT . >log 2>&1 || code=$?
	modules=$(env "${@:3}" GOTOOLCHAIN="$2" "$work/$1" report --ignore example.com/project . 2>>log | cut -d, -f1,3 | paste -sd' ') || true
	env "${@:3}" GOTOOLCHAIN="$2" "$work/$1" save --ignore example.com/project --save_path "$work/saved" . 2>>log || true
	saved=$(find "$work" -path "$work/saved/*" -type f | wc -l)
	rm -rf "$work/saved"
	echo "$1, $2${3:+, GOROOT set}: check exit $code, report \"$modules\", saves $saved$(grep -o -m1 'Package net/http does not have module info' log | sed 's/^/: /' || true)"
}
{
	report plain go1.26.8
	report trimmed go1.26.8
	report plain go1.27.3
	report trimmed go1.27.3
	for toolchain in go1.26.8 go1.27.3; do
		report trimmed $toolchain GOROOT="$(GOTOOLCHAIN=$toolchain go env GOROOT)"
	done
} | tee out
diff - out <<'EOF' || { echo "CHANGED: the lines with < were expected"; exit 1; }
plain, go1.26.8: check exit 1, report "golang.org/x/mod/semver,BSD-3-Clause", saves 1
trimmed, go1.26.8: check exit 0, report "", saves 0
plain, go1.27.3: check exit 1, report "", saves 0: Package net/http does not have module info
trimmed, go1.27.3: check exit 0, report "", saves 0
trimmed, go1.26.8, GOROOT set: check exit 1, report "golang.org/x/mod/semver,BSD-3-Clause", saves 1
trimmed, go1.27.3, GOROOT set: check exit 1, report "golang.org/x/mod/semver,BSD-3-Clause", saves 1
EOF
echo "as stated: built with -trimpath the gate for licences passes what it never looked at"
