#!/usr/bin/env bash
# Software: github.com/distribution/distribution/v3 v3.1.2 (the registry program), filesystem storage.
# Expected: a registry that takes a blob by its sha512 digest serves it, and "201 Created" to a cross-repository mount
#           means what the distribution spec says: the blob is in the target repository now. Clients rely on it and
#           skip the upload.
# Happens:  upload by sha512: 201, and the blob is served. Mount into another repository: 201 with its Location,
#           yet that very Location answers 404, and a manifest that names the blob is refused: MANIFEST_BLOB_UNKNOWN.
#           The registry keeps the bytes under sha256 and mounts only the other name. With sha256 all of it works.
# Matters:  promoting modules between repositories of one registry (dev to prod): copies made by mounting fail for
#           sha512 content only, with an error that blames the client, while a copy to another registry succeeds.
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
storage: {filesystem: {rootdirectory: $work/store}}
http: {addr: "127.0.0.1:$port"}
EOF
./registry serve config.yml >registry.log 2>&1 &
pid=$!
base=http://127.0.0.1:$port/v2
curl -sf --retry 50 --retry-delay 1 --retry-connrefused "$base/" >/dev/null || { cat registry.log; exit 2; }

status() { curl -s -o body -D head -w '%{http_code}' "$@"; }
location() { awk 'tolower($1) == "location:" { print $2 }' head | tr -d '\r'; }
upload() { # repository, digest, file
	status -X POST "$base/$1/blobs/uploads/" >/dev/null
	local to
	to=$(location)
	status -X PUT -H 'Content-Type: application/octet-stream' --data-binary "@$3" "$to&digest=$2"
}

printf '{}' >config.json
config="sha256:$(sha256sum <config.json | cut -d' ' -f1)"
for algorithm in sha256 sha512; do
	printf 'the layer of a module, by %s' "$algorithm" >layer
	digest="$algorithm:$("${algorithm}sum" <layer | cut -d' ' -f1)"
	cat >manifest.json <<EOF
{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json",
"config":{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"$config","size":2},
"layers":[{"mediaType":"application/vnd.oci.image.layer.v1.tar","digest":"$digest","size":$(stat -c %s layer)}]}
EOF
	type='Content-Type: application/vnd.oci.image.manifest.v1+json'
	{
		upload "$algorithm/dev" "$config" config.json >/dev/null
		upload "$algorithm/prod" "$config" config.json >/dev/null
		echo "$algorithm upload to dev: $(upload "$algorithm/dev" "$digest" layer)"
		echo "$algorithm blob of dev: $(status "$base/$algorithm/dev/blobs/$digest")"
		echo "$algorithm manifest to dev: $(status -X PUT -H "$type" --data-binary @manifest.json "$base/$algorithm/dev/manifests/v1")"
		echo "$algorithm mount into prod: $(status -X POST "$base/$algorithm/prod/blobs/uploads/?mount=$digest&from=$algorithm/dev")"
		echo "$algorithm its Location: $(status "$(location)")"
		echo "$algorithm manifest to prod: $(status -X PUT -H "$type" --data-binary @manifest.json "$base/$algorithm/prod/manifests/v1") $(grep -o '"code":"[A-Z_]*"' body || true)"
	} | tee -a out
done

expect() { grep -qxF -- "$1" out || { echo "CHANGED: not \"$1\""; exit 1; }; }
expect 'sha256 mount into prod: 201'
expect 'sha256 its Location: 200'
expect 'sha256 manifest to prod: 201 '
expect 'sha512 blob of dev: 200'
expect 'sha512 manifest to dev: 201'
expect 'sha512 mount into prod: 201'
expect 'sha512 its Location: 404'
expect 'sha512 manifest to prod: 400 "code":"MANIFEST_BLOB_UNKNOWN"'
echo "as stated: the mount of a sha512 blob is confirmed and did not happen"
