#!/usr/bin/env bash
# Software: github.com/distribution/distribution/v3 v3.1.2 (the registry program), filesystem storage; 2.8.2 does the same.
# Expected: DELETE of an upload that was begun, answered with 204, removes what the upload had in storage.
# Happens:  the content goes and the upload is unknown from then on, but the state of its hash is written once more when the
#           request ends: a directory with it stays below _uploads for each cancelled upload.
# Matters:  who begins an upload and cancels it, to find out whether an account may push, leaves a directory each time.
set -euo pipefail
work=$(mktemp -d)
pid=
trap '[ -z "$pid" ] || kill "$pid"; rm -rf "$work"' EXIT
cd "$work"
GOBIN="$work" go install github.com/distribution/distribution/v3/cmd/registry@v3.1.2 2>log || { cat log; exit 2; }

port=$((20000 + RANDOM % 20000))
cat >config.yml <<CONFIG
version: 0.1
log: {level: error, accesslog: {disabled: true}}
storage: {filesystem: {rootdirectory: $work/store}}
http: {addr: "127.0.0.1:$port"}
CONFIG
./registry serve config.yml >registry.log 2>&1 &
pid=$!
base=http://127.0.0.1:$port/v2
curl -sf --retry 50 --retry-delay 1 --retry-connrefused "$base/" >/dev/null || { cat registry.log; exit 2; }

uploads=store/docker/registry/v2/repositories/a/_uploads
{
	for _ in 1 2 3; do
		to=$(curl -s -o /dev/null -D - -X POST "$base/a/blobs/uploads/" | awk 'tolower($1) == "location:" { print $2 }' | tr -d '\r')
		echo "cancelled: $(curl -s -o /dev/null -w '%{http_code}' -X DELETE "$to"), asked for: $(curl -s -o /dev/null -w '%{http_code}' "$to")"
	done
	echo "directories left: $(find "$uploads" -mindepth 1 -maxdepth 1 | wc -l), with $(find "$uploads" -type f | wc -l) files"
} | tee out

expect() { grep -qxF -- "$1" out || { echo "CHANGED: not \"$1\""; exit 1; }; }
expect 'cancelled: 204, asked for: 404'
expect 'directories left: 3, with 3 files'
echo "as stated: a cancelled upload leaves a directory behind"
