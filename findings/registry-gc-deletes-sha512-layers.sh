#!/usr/bin/env bash
# Software: github.com/distribution/distribution/v3 v3.1.2 (registry garbage-collect, without -m), filesystem storage.
# Expected: the collector deletes blobs that no manifest names, and never one that a tagged manifest names. A layer with a
#           sha512 digest, which the image spec knows and the registry accepts and serves, is no different.
# Happens:  the registry keeps the bytes under their sha256 digest; the collector marks the digest that the manifest
#           names, sees that nothing names the sha256 one, and deletes the bytes. The manifest and its tag stay, so the artifact
#           looks well, and its layer is gone for good: 404. The log says "0 manifests eligible". The first run
#           also ends with an error afterwards; the second is content.
# Matters:  a nightly collection on a private registry destroys stored modules. With sha256 the same steps are harmless. A tool
#           that packs for registries should name layers by sha256 only, and check its stores by reading layers,
#           not manifests.
set -euo pipefail
work=$(mktemp -d)
pid=
trap '[ -z "$pid" ] || kill "$pid" 2>/dev/null || true; rm -rf "$work"' EXIT
cd "$work"
GOBIN="$work" go install github.com/distribution/distribution/v3/cmd/registry@v3.1.2 2>log || { cat log; exit 2; }
port=$((20000 + RANDOM % 20000))
repo=http://127.0.0.1:$port/v2/modules/m
type=application/vnd.oci.image.manifest.v1+json

start() { # store
	cat >"$1.yml" <<EOF
version: 0.1
log: {level: error, accesslog: {disabled: true}}
storage: {filesystem: {rootdirectory: $work/$1}}
http: {addr: "127.0.0.1:$port"}
EOF
	./registry serve "$1.yml" >registry.log 2>&1 &
	pid=$!
	curl -sf --retry 50 --retry-delay 1 --retry-connrefused "http://127.0.0.1:$port/v2/" >/dev/null || { cat registry.log; exit 2; }
}
stop() {
	kill "$pid"
	wait "$pid" 2>/dev/null || true
	pid=
}
upload() { # digest, file
	local to
	to=$(curl -sf -X POST -D - -o /dev/null "$repo/blobs/uploads/" | awk 'tolower($1) == "location:" { print $2 }' | tr -d '\r')
	curl -sf -X PUT -H 'Content-Type: application/octet-stream' --data-binary "@$2" "$to&digest=$1"
}
state() { # when
	echo "$algorithm, $1: manifest $(curl -s -o /dev/null -w '%{http_code}' -H "Accept: $type" "$repo/manifests/v1.0.0"), layer $(curl -s -o /dev/null -w '%{http_code}' "$repo/blobs/$layer")" | tee -a out
}

printf '{}' >config.json
echo 'the layer of a module' >layer
config="sha256:$(sha256sum <config.json | cut -d' ' -f1)"
for algorithm in sha256 sha512; do
	layer="$algorithm:$("${algorithm}sum" <layer | cut -d' ' -f1)"
	start "$algorithm"
	upload "$config" config.json
	upload "$layer" layer
	cat >manifest.json <<EOF
{"schemaVersion":2,"mediaType":"$type",
"config":{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"$config","size":2},
"layers":[{"mediaType":"application/vnd.oci.image.layer.v1.tar","digest":"$layer","size":$(stat -c %s layer)}]}
EOF
	curl -sf -X PUT -H "Content-Type: $type" --data-binary @manifest.json "$repo/manifests/v1.0.0"
	state 'pushed and tagged'
	stop
	for run in first second; do
		status=0
		./registry garbage-collect "$algorithm.yml" >gc.log 2>&1 || status=$?
		echo "$algorithm, $run collection: exit $status, $(grep eligible gc.log | head -1)" | tee -a out
	done
	start "$algorithm"
	state 'collected'
	stop
done

expect() { grep -q -- "$1" out || { echo "CHANGED: not \"$1\""; exit 1; }; }
expect '^sha256, collected: manifest 200, layer 200$'
expect '^sha512, pushed and tagged: manifest 200, layer 200$'
expect '^sha512, collected: manifest 200, layer 404$'
echo "as stated: the collection deleted the layer of a tagged artifact"
