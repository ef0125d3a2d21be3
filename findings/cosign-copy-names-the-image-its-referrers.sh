#!/usr/bin/env bash
# Software: cosign v3.1.3 (cosign copy, cosign clean), crane v0.22.1; distribution v3.1.2, which has no referrers API, with
#           deletion enabled.
# Expected: "cosign copy", which is for images with their signatures, brings the signature that the same cosign has made in its
#           default format, or fails. "cosign clean" removes signatures and leaves the image.
# Happens:  the copy has no signature, and exit is 0. Where the list of referrers belongs (tag sha256-<hex>) it puts the image
#           itself, for images with signatures of the old form as well. These come along and verify, but "cosign clean" of the
#           copy takes that tag for the list and deletes by its digest: the image is gone with all of its tags.
# Matters:  promoting signed modules or images from one registry to another: the job is green, the gate on the far side red, and
#           who cleans up to sign anew has nothing left to sign. Copy with "oras cp -r" or "crane copy -a", and verify
#           afterwards.
set -euo pipefail
work=$(mktemp -d)
pid=
trap '[ -z "$pid" ] || kill "$pid" 2>/dev/null || true; rm -rf "$work"' EXIT
cd "$work"
export DOCKER_CONFIG="$work" COSIGN_PASSWORD=x HOME="$work/home" GOPATH="${GOPATH:-$(go env GOPATH)}" GOCACHE="${GOCACHE:-$(go env GOCACHE)}"
mkdir home
for tool in github.com/sigstore/cosign/v3/cmd/cosign@v3.1.3 github.com/google/go-containerregistry/cmd/crane@v0.22.1 \
	github.com/distribution/distribution/v3/cmd/registry@v3.1.2; do
	GOBIN="$work" go install "$tool" 2>log || { cat log; exit 2; }
done
port=$((20000 + RANDOM % 20000))
reg=127.0.0.1:$port
cat >registry.yml <<EOF
version: 0.1
log: {level: error, accesslog: {disabled: true}}
storage: {filesystem: {rootdirectory: $work/store}, delete: {enabled: true}}
http: {addr: "$reg"}
EOF
./registry serve registry.yml >registry.log 2>&1 &
pid=$!
curl -sf --retry 50 --retry-delay 1 --retry-connrefused "http://$reg/v2/" >/dev/null || { cat registry.log; exit 2; }

echo 'module example.com/m' >go.mod
tar --sort=name --mtime=@0 --owner=0 --group=0 -cf layer.tar go.mod
./cosign generate-key-pair --output-key-prefix key >/dev/null 2>&1
status() { # command…: its exit code
	local code=0
	"$@" >log 2>&1 || code=$?
	echo "exit $code"
}
tags() { # repository
	./crane ls --insecure "$reg/$1" 2>/dev/null | sed "s/$hex/<hex>/" | sort | paste -sd' '
}
for form in bundle classic; do
	./crane append --insecure -f layer.tar -t "$reg/$form:v1" >log 2>&1 || { cat log; exit 2; }
	digest=$(./crane digest --insecure "$reg/$form:v1")
	hex=${digest#sha256:}
	newFormat=true
	[ $form = bundle ] || newFormat=false
	./cosign sign --key key.key --use-signing-config=false --tlog-upload=false -y --new-bundle-format=$newFormat "$reg/$form@$digest" >log 2>&1 || { cat log; exit 2; }
	verify=(./cosign verify --key key.pub --insecure-ignore-tlog)
	echo "$form: original verifies: $(status "${verify[@]}" "$reg/$form:v1")"
	echo "$form: copy: $(status ./cosign copy "$reg/$form@$digest" "$reg/$form-copy:v1")"
	./crane tag --insecure "$reg/$form-copy:v1" latest 2>log || { cat log; exit 2; }
	echo "$form: copy verifies: $(status "${verify[@]}" "$reg/$form-copy:v1")"
	[ "$(./crane digest --insecure "$reg/$form-copy:sha256-$hex")" = "$digest" ] && echo "$form: the list of referrers is the image"
	echo "$form: original cleaned: $(status ./cosign clean -f "$reg/$form:v1"), tags left: $(tags $form)"
	echo "$form: copy cleaned: $(status ./cosign clean -f "$reg/$form-copy:v1"), tags left: $(tags $form-copy)"
done | tee out

for want in 'bundle: original verifies: exit 0' 'bundle: copy: exit 0' 'bundle: copy verifies: exit 10' 'bundle: the list of referrers is the image' \
	'bundle: original cleaned: exit 0, tags left: v1' 'bundle: copy cleaned: exit 0, tags left: ' \
	'classic: original verifies: exit 0' 'classic: copy: exit 0' 'classic: copy verifies: exit 0' 'classic: the list of referrers is the image' \
	'classic: original cleaned: exit 0, tags left: v1' 'classic: copy cleaned: exit 0, tags left: '; do
	grep -qxF "$want" out || { echo "CHANGED: not \"$want\""; exit 1; }
done
echo "as stated: the copy lacks the signature, its list of referrers is the image, and cleaning it deletes the image"
