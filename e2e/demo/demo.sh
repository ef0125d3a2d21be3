#!/bin/sh
# The main job with real modules: from the configured GOPROXY into a store as signed artifacts, out of it
# through the shim into a go build whose module cache is empty and whose only module source is the shim.
# Everything lives in a temporary directory; MODFERRY_BIN and GO say which binaries to use.
set -eu

cd "$(dirname "$0")"
modferry=${MODFERRY_BIN:-modferry}
go=${GO:-go}
work=$(mktemp -d)
trap 'chmod -R u+w "$work" && rm -rf "$work"' EXIT

say() { printf '\n$ %s\n' "$*"; }

export COSIGN_PASSWORD=demo
say 'modferry keygen'
"$modferry" keygen --output-key-prefix "$work/cosign"

say 'modferry mirror .             # connected side: find out what the project needs, fetch, check, sign, push'
"$modferry" mirror --registry "oci:$work/store" --key "$work/cosign.key" .

say 'modferry list                 # what would cross the gap'
"$modferry" list --registry "oci:$work/store"

say 'modferry check .              # does everything work from the store alone?'
"$modferry" check --registry "oci:$work/store" --key "$work/cosign.pub" .

say 'modferry run -- go build      # air-gapped side: empty module cache, nothing but the shim'
export GOMODCACHE="$work/modcache" GOFLAGS=-mod=readonly GOTOOLCHAIN=local
"$modferry" run --registry "oci:$work/store" --key "$work/cosign.pub" --cache "$work/shim" -- \
	"$go" build -o "$work/ferrydemo" .

say './ferrydemo'
"$work/ferrydemo"
