#!/usr/bin/env bash
# Software: oras v1.3.6, regctl v0.11.7, crane v0.22.1, cosign v3.1.3; distribution v3.1.2, which has no referrers
#           API, with deletion enabled.
# Expected: deleting one signature or SBOM of an image by its digest takes that one away. The others stay, and new
#           ones can be attached; at worst the deleted one is still listed.
# Happens:  it is still listed, under the tag sha256-<hex> that clients keep: crane and regctl do not take it out of
#           there (oras does). Everybody who attaches writes the list anew, with the dead entry in it, and the
#           registry refuses lists that name what it does not have. From then on nobody can sign or attest the image
#           any more: oras, regctl and cosign (its bundles) fail with MANIFEST_BLOB_UNKNOWN about a digest that none
#           of them was asked for, after their own manifest was pushed. Reading fails in part: "oras discover" and
#           verification go on, "oras cp -r" and "regctl image copy --referrers" end with exit 1.
# Matters:  one clean-up with crane, regctl or curl, and the images that it touched can be neither signed anew nor
#           carried on. Give "oras manifest delete" the job, or delete the tag of the list, after which the ones that
#           are left must be attached again.
set -euo pipefail
work=$(mktemp -d)
pid=
trap '[ -z "$pid" ] || kill "$pid"; rm -rf "$work"' EXIT
cd "$work"
for tool in oras.land/oras/cmd/oras@v1.3.6 github.com/regclient/regclient/cmd/regctl@v0.11.7 \
	github.com/google/go-containerregistry/cmd/crane@v0.22.1 github.com/sigstore/cosign/v3/cmd/cosign@v3.1.3 \
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
export DOCKER_CONFIG="$work" REGCTL_CONFIG="$work/regctl.json" COSIGN_PASSWORD=
./regctl registry set --tls disabled "$reg"
./cosign generate-key-pair --output-key-prefix key 2>log || { cat log; exit 2; }
for file in go.mod report other; do echo "$file" >$file; done

attach() { ./oras attach --plain-http --format go-template='{{.digest}}' "$1" --artifact-type application/vnd.example.report "$2"; }
status() { if "$@" >log 2>&1; then echo done; else echo "fails: $(grep -oiE 'manifest.blob.unknown|not found' log | head -1 | tr 'A-Z ' 'a-z_')"; fi; }
sign() { ./cosign sign --key key.key --use-signing-config=false --tlog-upload=false -y "$1@$(./crane digest "$1:v1")"; }

for with in oras regctl crane; do
	image=$reg/with/$with
	./oras push --plain-http "$image:v1" --artifact-type application/vnd.example.gomod go.mod >/dev/null
	sign "$image" 2>log || { cat log; exit 2; }
	dead=$(attach "$image:v1" report | tail -1)
	case $with in
	oras) ./oras manifest delete --plain-http --force "$image@$dead" >log ;;
	regctl) ./regctl manifest delete "$image@$dead" ;;
	crane) ./crane delete "$image@$dead" ;;
	esac
	echo "deleted with $with: oras attach: $(status attach "$image:v1" other)"
	echo "deleted with $with: regctl artifact put: $(status ./regctl artifact put --subject "$image:v1" --artifact-type application/vnd.example.note -f other)"
	echo "deleted with $with: cosign sign: $(status sign "$image")"
	echo "deleted with $with: cosign verify: $(status ./cosign verify --key key.pub --insecure-ignore-tlog "$image:v1")"
	echo "deleted with $with: oras discover: $(status ./oras discover --plain-http "$image:v1")"
	echo "deleted with $with: oras cp -r: $(status ./oras cp -r --from-plain-http "$image:v1" --to-plain-http "$image-copied:v1")"
	echo "deleted with $with: regctl copy: $(./regctl image copy --referrers "$image:v1" "$image-again:v1" >log 2>&1 && echo done || echo fails)"
done | tee out

expect() { grep -qxF -- "$1" out || { echo "CHANGED: not \"$1\""; exit 1; }; }
for what in 'oras attach' 'regctl artifact put' 'cosign sign' 'cosign verify' 'oras discover' 'oras cp -r' 'regctl copy'; do
	expect "deleted with oras: $what: done"
done
for with in regctl crane; do
	for what in 'oras attach' 'regctl artifact put' 'cosign sign'; do
		expect "deleted with $with: $what: fails: manifest_blob_unknown"
	done
	for what in 'cosign verify' 'oras discover'; do expect "deleted with $with: $what: done"; done
	expect "deleted with $with: oras cp -r: fails: not_found"
	expect "deleted with $with: regctl copy: fails"
done
echo "as stated: one deleted referrer, and nothing can be attached to the image any more"
