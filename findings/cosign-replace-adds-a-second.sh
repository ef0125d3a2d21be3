#!/usr/bin/env bash
# Software: cosign v3.1.3 and v2.6.5 (sign, attest --replace, verify-attestation --policy, clean), crane v0.22.1, oras
#           v1.3.6; distribution v3.1.2 with deletion enabled. Offline, with one key.
# Expected: signing once more with the same key changes nothing, and "attest --replace" leaves one attestation of its
#           type, the new one: so it was. v3's own "attest --replace", which reports success, does the same in its
#           default format.
# Happens:  that holds for the old format only, in which v3 does it as well. As bundles each run of "sign" adds a
#           signature, and "--replace" is taken and replaces nothing. verify-attestation wants all attestations of the
#           type to pass the policy: an image whose scan failed once fails for good, whatever is attested afterwards.
#           "cosign clean --type attestation" removes nothing either ("consider using …"); "--type all" helps, and
#           takes the signatures with it.
# Matters:  pipelines that attest each night's scan, or sign what may be signed already. With v3 the lists grow by one
#           a night, each verification fetches all of them, and the first red result is never overcome. Delete the old
#           referrers by digest, with "oras manifest delete", before the new one is made, or stay with
#           --new-bundle-format=false.
set -euo pipefail
work=$(mktemp -d)
pid=
trap '[ -z "$pid" ] || kill "$pid"; rm -rf "$work"' EXIT
cd "$work"
for version in v2@v2.6.5 v3@v3.1.3; do
	GOBIN="$work/${version%@*}" go install "github.com/sigstore/cosign/${version%@*}/cmd/cosign@${version#*@}" 2>log || { cat log; exit 2; }
done
for tool in oras.land/oras/cmd/oras@v1.3.6 github.com/google/go-containerregistry/cmd/crane@v0.22.1 \
	github.com/distribution/distribution/v3/cmd/registry@v3.1.2; do
	GOBIN="$work" go install "$tool" 2>log || { cat log; exit 2; }
done

port=$((20000 + RANDOM % 20000))
cat >config.yml <<EOF
version: 0.1
log: {level: error, accesslog: {disabled: true}}
storage: {filesystem: {rootdirectory: $work/store}, delete: {enabled: true}}
http: {addr: "127.0.0.1:$port"}
EOF
./registry serve config.yml >registry.log 2>&1 &
pid=$!
reg=127.0.0.1:$port
curl -sf --retry 50 --retry-delay 1 --retry-connrefused "http://$reg/v2/" >/dev/null || { cat registry.log; exit 2; }
export DOCKER_CONFIG="$work" COSIGN_PASSWORD=
v3/cosign generate-key-pair --output-key-prefix key 2>log || { cat log; exit 2; }

type=https://example.com/scan
echo 'predicate: result: "passed"' >passed.cue
quietly() { "$@" >log 2>&1 || { cat log; exit 2; }; }
verdict() { v3/cosign verify-attestation --key key.pub --insecure-ignore-tlog --type $type --policy passed.cue "$1" >log 2>&1 && echo passes || echo fails; }
count() { # image, suffix of the tag: how many signatures or attestations
	./crane manifest "${1%@*}:$(echo "${1#*@}" | tr : -)$2" >list
	case $2 in
	'') grep -o '"artifactType"' list | wc -l ;;
	*) grep -o '"mediaType":"application/vnd.d[^"]*"' list | wc -l ;; # the layers
	esac
}

for by in v2-classic v3-classic v3-bundle; do
	image=$reg/by/$by
	echo "$by" >go.mod
	quietly ./oras push --plain-http "$image:v1" --artifact-type application/vnd.example.gomod go.mod:text/plain
	image=$image@$(./crane digest "$image:v1")
	options="--key key.key --tlog-upload=false --new-bundle-format=$([ $by = v3-bundle ] && echo true || echo false) -y"
	[ ${by%-*} = v2 ] || options="$options --use-signing-config=false"
	for _ in 1 2 3; do quietly ${by%-*}/cosign sign $options "$image"; done
	signatures=$(count "$image" "$([ $by = v3-bundle ] || echo .sig)")
	echo "$by: signed three times: $signatures"
	for result in failed passed; do
		echo "{\"result\":\"$result\"}" >predicate.json
		quietly ${by%-*}/cosign attest $options --replace --predicate predicate.json --type $type "$image"
		echo "$by: after the scan that $result: policy $(verdict "$image")"
	done
	case $by in
	v3-bundle)
		echo "$by: attestations: $(($(count "$image" '') - signatures))"
		quietly v3/cosign verify-attestation --key key.pub --insecure-ignore-tlog --type $type "$image" # it is the policy that fails
		;;
	*) echo "$by: attestations: $(count "$image" .att)" ;;
	esac
	[ $by != v3-bundle ] || {
		quietly v3/cosign clean --type attestation --force "$image"
		echo "$by: after clean --type attestation: $(count "$image" '') referrers"
	}
done | tee out

expect() { grep -qxF -- "$1" out || { echo "CHANGED: not \"$1\""; exit 1; }; }
for by in v2-classic v3-classic; do
	expect "$by: signed three times: 1"
	expect "$by: after the scan that passed: policy passes"
	expect "$by: attestations: 1"
done
expect 'v3-bundle: signed three times: 3'
expect 'v3-bundle: after the scan that failed: policy fails'
expect 'v3-bundle: after the scan that passed: policy fails'
expect 'v3-bundle: attestations: 2'
expect 'v3-bundle: after clean --type attestation: 5 referrers'
echo "as stated: as bundles nothing is replaced, and the failed scan counts for good"
