#!/usr/bin/env bash
# Software: github.com/distribution/distribution/v3 v3.1.2 as a pull-through cache (proxy.remoteurl).
# Expected: while the upstream registry is down the cache serves what it has and reports an error (5xx) for the rest.
# Happens:  only requests by digest do so. A tag that was never pulled is "404 MANIFEST_UNKNOWN", word for word the answer
#           for a tag that does not exist. And the tag list is "200" with fewer tags: the ones that were pulled once.
#           Nothing in either answer, headers included, tells it from the truth.
# Matters:  a GOPROXY in front of such a cache turns an outage into "this version does not exist": the go command
#           falls through to the next proxy, "latest" goes back to an older release, and no log shows an error.
#           Absence by tag can be believed only after a question by digest.
set -euo pipefail
work=$(mktemp -d)
pids=()
trap 'for p in "${pids[@]}"; do kill "$p" 2>/dev/null || true; done; rm -rf "$work"' EXIT
cd "$work"
GOBIN="$work" go install github.com/distribution/distribution/v3/cmd/registry@v3.1.2 2>log || { cat log; exit 2; }

up=$((20000 + RANDOM % 10000)) cache=$((30000 + RANDOM % 10000))
serve() { # name, port, more configuration
	printf 'version: 0.1\nlog: {level: error, accesslog: {disabled: true}}\nstorage: {filesystem: {rootdirectory: %s}}\nhttp: {addr: "127.0.0.1:%s"}\n%s\n' \
		"$work/$1" "$2" "$3" >"$1.yml"
	./registry serve "$1.yml" >"$1.log" 2>&1 &
	pids+=($!)
	curl -sf --retry 50 --retry-delay 1 --retry-connrefused "http://127.0.0.1:$2/v2/" >/dev/null || { cat "$1.log"; exit 2; }
}
serve upstream "$up" ''
serve cache "$cache" "proxy: {remoteurl: \"http://127.0.0.1:$up\"}"

# Three versions upstream; one is pulled through the cache.
type=application/vnd.oci.image.manifest.v1+json
printf '{}' >config.json
config="sha256:$(sha256sum <config.json | cut -d' ' -f1)"
to=$(curl -sf -X POST -D - -o /dev/null "http://127.0.0.1:$up/v2/mod/blobs/uploads/" | awk 'tolower($1) == "location:" { print $2 }' | tr -d '\r')
curl -sf -X PUT -H 'Content-Type: application/octet-stream' --data-binary @config.json "$to&digest=$config"
for tag in v1.0.0 v1.1.0 v1.2.0; do
	printf '{"schemaVersion":2,"mediaType":"%s","config":{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"%s","size":2},"layers":[{"mediaType":"application/vnd.oci.empty.v1+json","digest":"%s","size":2}],"annotations":{"version":"%s"}}' \
		$type "$config" "$config" $tag >$tag.json
	curl -sf -X PUT -H "Content-Type: $type" --data-binary @$tag.json "http://127.0.0.1:$up/v2/mod/manifests/$tag"
done
newest="sha256:$(sha256sum <v1.2.0.json | cut -d' ' -f1)"

ask() { # what, path
	local code
	code=$(curl -s -o body -D "headers of $1" -w '%{http_code}' -H "Accept: $type" "http://127.0.0.1:$cache/v2/mod/$2")
	echo "$1: $code $(grep -oE '"code":"[A-Z_]*"|"tags":\[.*\]' body || true)"
}
ask_all() {
	ask "$1, pulled tag" manifests/v1.0.0
	ask "$1, tag list" tags/list
	ask "$1, other tag" manifests/v1.2.0
	ask "$1, no such tag" manifests/v9.9.9
	ask "$1, other digest" "manifests/$newest"
}
{
	ask 'up, pulled tag' manifests/v1.0.0
	ask 'up, tag list' tags/list
	ask 'up, no such tag' manifests/v9.9.9
	kill "${pids[0]}"
	wait "${pids[0]}" 2>/dev/null || true
	ask_all down
} >out
cat out

expect() { grep -qF -- "$1" out || { echo "CHANGED: not \"$1\""; exit 1; }; }
expect 'up, tag list: 200 "tags":["v1.0.0","v1.1.0","v1.2.0"]'
expect 'up, no such tag: 404 "code":"MANIFEST_UNKNOWN"'
expect 'down, pulled tag: 200'
expect 'down, tag list: 200 "tags":["v1.0.0"]'
expect 'down, other tag: 404 "code":"MANIFEST_UNKNOWN"'
expect 'down, other digest: 500'
names() { cut -d: -f1 "headers of $1" | sort; }
[ "$(names 'up, tag list')" = "$(names 'down, tag list')" ] || { echo "CHANGED: another header in the short list"; exit 1; }
[ "$(names 'down, other tag')" = "$(names 'up, no such tag')" ] || { echo "CHANGED: another header with 404"; exit 1; }
echo "as stated: an outage is told as a shorter tag list and as absence; only the digest tells the truth"
