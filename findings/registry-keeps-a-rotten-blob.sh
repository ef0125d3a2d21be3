#!/usr/bin/env bash
# Software: github.com/distribution/distribution/v3 v3.1.2 (the registry program), filesystem storage.
# Expected: pushing a blob, which the registry checks against its digest and confirms with 201, leaves a good blob behind;
#           at the latest after the blob was deleted with 202 and pushed again.
# Happens:  the file that is there already is kept, whatever is in it: after 201 the registry goes on to serve the rotten
#           bytes. DELETE removes a link only, and garbage collection keeps what a manifest names. Only removing the file helps.
# Matters:  every tool that repairs a mirror by pushing again reports success and has changed nothing.
set -euo pipefail
work=$(mktemp -d)
pid=
trap '[ -z "$pid" ] || kill "$pid"; rm -rf "$work"' EXIT
cd "$work"
GOBIN="$work" go install github.com/distribution/distribution/v3/cmd/registry@v3.1.2 2>log || { cat log; exit 2; }

port=$((20000 + RANDOM % 20000))
cat >config.yml <<EOF
version: 0.1
log: {level: error, accesslog: {disabled: true}}
storage: {filesystem: {rootdirectory: $work/store}, delete: {enabled: true}}
http: {addr: "127.0.0.1:$port"}
EOF
./registry serve config.yml >registry.log 2>&1 &
pid=$!
base=http://127.0.0.1:$port/v2
curl -sf --retry 50 --retry-delay 1 --retry-connrefused "$base/" >/dev/null || { cat registry.log; exit 2; }

printf 'the right content' >blob
hex=$(sha256sum <blob | cut -d' ' -f1)
file=store/docker/registry/v2/blobs/sha256/${hex:0:2}/$hex/data
push() {
	local to
	to=$(curl -s -o /dev/null -D - -X POST "$base/a/blobs/uploads/" | awk 'tolower($1) == "location:" { print $2 }' | tr -d '\r')
	curl -s -o /dev/null -w '%{http_code}' -X PUT -H 'Content-Type: application/octet-stream' --data-binary @blob "$to&digest=sha256:$hex"
}
served() { curl -s "$base/a/blobs/sha256:$hex"; }
{
	echo "pushed: $(push), served: $(served)"
	printf 'the wrong content' >"$file"
	echo "pushed again: $(push), served: $(served)"
	echo "deleted: $(curl -s -o /dev/null -w '%{http_code}' -X DELETE "$base/a/blobs/sha256:$hex")"
	echo "pushed once more: $(push), served: $(served)"
	rm "$file"
	echo "pushed after its file was removed: $(push), served: $(served)"
} | tee out

expect() { grep -qxF -- "$1" out || { echo "CHANGED: not \"$1\""; exit 1; }; }
expect 'pushed: 201, served: the right content'
expect 'pushed again: 201, served: the wrong content'
expect 'deleted: 202'
expect 'pushed once more: 201, served: the wrong content'
expect 'pushed after its file was removed: 201, served: the right content'
echo "as stated: what is pushed again does not replace what has rotted"
