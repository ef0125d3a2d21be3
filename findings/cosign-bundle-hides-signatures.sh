#!/usr/bin/env bash
# Software: cosign v2.6.5 and v3.1.3, with an image in distribution v3.1.2; offline, with keys and without a transparency log.
# Expected: signatures add up. An image with a signature that "cosign verify --key" accepts is still accepted once somebody
#           else has signed it too, or has attached an attestation, in the newer format of sigstore bundles; and cosign v2
#           goes on verifying what cosign v2 has signed.
# Happens:  as soon as there is one bundle among the image's referrers, of whomever and whether or not it is a signature,
#           neither version looks at the signatures under the tag sha256-<hex>.sig any more. v3 says "no matching
#           attestations", v2 wants a trusted root, which a key has no use for. --new-bundle-format=false brings the
#           signature back in v3; v2 ignores that option.
# Matters:  signing images once more with cosign v3, or attesting an SBOM with it, breaks every gate that verifies the old
#           signatures. Sign in the new format with all keys that count before the first bundle is attached, or in the
#           old one only (v3: --new-bundle-format=false).
set -euo pipefail
work=$(mktemp -d)
pid=
trap '[ -z "$pid" ] || kill "$pid" 2>/dev/null || true; rm -rf "$work"' EXIT
cd "$work"
export DOCKER_CONFIG="$work" COSIGN_PASSWORD=x HOME="$work/home" GOPATH="${GOPATH:-$(go env GOPATH)}" GOCACHE="${GOCACHE:-$(go env GOCACHE)}"
mkdir home v2 v3
for tool in v2=github.com/sigstore/cosign/v2/cmd/cosign@v2.6.5 v3=github.com/sigstore/cosign/v3/cmd/cosign@v3.1.3 \
	.=github.com/distribution/distribution/v3/cmd/registry@v3.1.2; do
	GOBIN="$work/${tool%%=*}" go install "${tool#*=}" 2>log || { cat log; exit 2; }
done
port=$((20000 + RANDOM % 20000))
cat >registry.yml <<EOF
version: 0.1
log: {level: error, accesslog: {disabled: true}}
storage: {filesystem: {rootdirectory: $work/store}}
http: {addr: "127.0.0.1:$port"}
EOF
./registry serve registry.yml >registry.log 2>&1 &
pid=$!
curl -sf --retry 50 --retry-delay 1 --retry-connrefused "http://127.0.0.1:$port/v2/" >/dev/null || { cat registry.log; exit 2; }

type=application/vnd.oci.image.manifest.v1+json
printf '{}' >config
config="sha256:$(sha256sum <config | cut -d' ' -f1)"
image() { # repository: pushes an image, and prints its reference
	local repo=http://127.0.0.1:$port/v2/$1 to
	to=$(curl -sf -X POST -D - -o /dev/null "$repo/blobs/uploads/" | awk 'tolower($1) == "location:" { print $2 }' | tr -d '\r')
	curl -sf -X PUT -H 'Content-Type: application/octet-stream' --data-binary @config "$to&digest=$config"
	printf '{"schemaVersion":2,"mediaType":"%s","config":{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"%s","size":2},"layers":[]}' \
		$type "$config" >manifest
	curl -sf -X PUT -H "Content-Type: $type" --data-binary @manifest "$repo/manifests/v1"
	echo "127.0.0.1:$port/$1@sha256:$(sha256sum <manifest | cut -d' ' -f1)"
}
for key in ours theirs; do ./v2/cosign generate-key-pair --output-key-prefix $key >/dev/null 2>&1; done
offline=(--use-signing-config=false --tlog-upload=false -y)

verified() { # version option…: whether it accepts our signature
	local version=$1
	shift
	if "./$version/cosign" verify --key ours.pub --insecure-ignore-tlog "$@" "$ref" >/dev/null 2>log; then echo yes; else echo no; fi
}
state() { # when
	echo "$1: v2 $(verified v2), v3 $(verified v3), v3 told to $(verified v3 --new-bundle-format=false), v2 told to $(verified v2 --new-bundle-format=false)" | tee -a out
}
for bundle in signature attestation; do
	ref=$(image $bundle)
	./v2/cosign sign --key ours.key --tlog-upload=false -y "$ref" >/dev/null 2>log || { cat log; exit 2; }
	state "signed by us with v2"
	case $bundle in
	signature) ./v3/cosign sign --key theirs.key "${offline[@]}" "$ref" ;;
	attestation) ./v3/cosign attest --key theirs.key "${offline[@]}" --type custom --predicate config "$ref" ;;
	esac >/dev/null 2>log || { cat log; exit 2; }
	state "another key's $bundle attached with v3"
done

for want in 'signed by us with v2: v2 yes, v3 yes, v3 told to yes, v2 told to yes' \
	"another key's signature attached with v3: v2 no, v3 no, v3 told to yes, v2 told to no" \
	"another key's attestation attached with v3: v2 no, v3 no, v3 told to yes, v2 told to no"; do
	grep -qxF "$want" out || { echo "CHANGED: not \"$want\""; exit 1; }
done
echo "as stated: one bundle, whoever's and of whatever kind, hides the signatures that were there before"
