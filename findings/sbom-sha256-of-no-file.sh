#!/usr/bin/env bash
# Software: github.com/CycloneDX/cyclonedx-gomod v1.10.0 with go 1.26 or 1.27.
# Expected: a component's "SHA-256" in a CycloneDX SBOM is the SHA-256 of what is distributed, here the module zip, so that a
#           store can be searched and a download be checked by it. And one module version has one purl in all SBOMs.
# Happens:  1. the value is the h1 sum of go.sum, decoded from base64 to hex: a SHA-256 over a list of file hashes. No file has
#              it: not the zip, not the go.mod.
#           2. the purl carries ?goos=…&goarch=… of the analysis, though a module is source and the same on all
#              systems: SBOMs of one project for two systems have no purl in common.
# Matters:  the digest of the zip in a registry or a download cannot be matched with the SBOM: a checker that takes the
#           standard at its word finds every module tampered with. Convert to h1 first, and cut the qualifiers.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export GOFLAGS="-modcacherw -buildvcs=false" GOTOOLCHAIN=local GOWORK=off
cd "$work"
GOBIN="$work" go install github.com/CycloneDX/cyclonedx-gomod/cmd/cyclonedx-gomod@v1.10.0 2>log || { cat log; exit 2; }
mkdir project
cd project
printf 'package main\n\nimport _ "golang.org/x/sync/errgroup"\n\nfunc main() {}\n' >main.go
printf 'module example.com/project\n\ngo 1.25.0\n\nrequire golang.org/x/sync v0.19.0\n' >go.mod
go mod tidy 2>../log || { cat ../log; exit 2; }
for os in linux windows; do
	GOOS=$os GOARCH=amd64 ../cyclonedx-gomod mod -json -output "../$os.json" . 2>../log || { cat ../log; exit 2; }
done
cd ..

component() { sed -n '/"bom-ref": ".*golang.org\/x\/sync@/,/"purl"/p' "$1"; }
value() { component "$1" | sed -n "s/^ *\"$2\": \"\\([^\"]*\\)\",\\{0,1\\}\$/\\1/p"; } # file, key
h1=$(awk '$1 == "golang.org/x/sync" && $2 == "v0.19.0" { sub("h1:", "", $3); print $3 }' project/go.sum | base64 -d | od -An -tx1 | tr -d ' \n')
cached=$(go env GOMODCACHE)/cache/download/golang.org/x/sync/@v/v0.19.0
{
	echo "SBOM: $(value linux.json alg) $(value linux.json content)"
	echo "h1 of go.sum, as hex: $h1"
	echo "sha256 of the zip: $(sha256sum <"$cached.zip" | cut -d' ' -f1)"
	echo "sha256 of the go.mod: $(sha256sum <"$cached.mod" | cut -d' ' -f1)"
	echo "purl for linux: $(value linux.json purl)"
	echo "purl for windows: $(value windows.json purl)"
} | tee out

[ "$(value linux.json alg)" = SHA-256 ] || { echo "CHANGED: another algorithm"; exit 1; }
[ "$(value linux.json content)" = "$h1" ] || { echo "CHANGED: the hash is not the h1 sum"; exit 1; }
[ "$(grep -c "$h1" out)" = 2 ] || { echo "CHANGED: a file has this hash"; exit 1; }
[ "$(value linux.json purl)" != "$(value windows.json purl)" ] || { echo "CHANGED: one purl for both systems"; exit 1; }
grep -q '^purl for linux: pkg:golang/golang.org/x/sync@v0.19.0?.*goos=linux' out || { echo "CHANGED: another purl"; exit 1; }
echo "as stated: a SHA-256 that no file has, and a purl for each system"
