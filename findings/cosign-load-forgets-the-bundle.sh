#!/usr/bin/env bash
# Software: cosign v3.1.3 (cosign save, cosign load), crane v0.22.1, oras v1.3.6; distribution v3.1.2. Offline, with a key.
# Expected: "cosign save" and "cosign load", which v3 recommends in place of its "cosign copy", carry an image with its
#           signature by a directory to another registry, in whatever form the same cosign has signed it.
# Happens:  the signature verifies in the directory (verify --local-image). Loading pushes the image under its tag, and then the
#           signature's manifest ahead of its layer, the bundle. A registry that checks what a manifest names refuses:
#           MANIFEST_BLOB_UNKNOWN, exit 1, on each try. What stays behind is an unsigned image. Only a registry that takes
#           manifests unseen (crane's) accepts it; signatures of the old form load everywhere. No other tool helps: index.json
#           names the image and not the bundle, so "oras cp -r" of the same directory leaves it behind, too, and exits with 0.
# Matters:  crossing a gap by media: the way works with signatures of the old form and ends on the far side with v3's default,
#           after the unsigned image got its tag. Sign with --new-bundle-format=false, or use "oras backup --include-referrers".
set -euo pipefail
work=$(mktemp -d)
pid=
trap '[ -z "$pid" ] || kill $pid 2>/dev/null || true; rm -rf "$work"' EXIT
cd "$work"
export DOCKER_CONFIG="$work" COSIGN_PASSWORD=x HOME="$work/home" GOPATH="${GOPATH:-$(go env GOPATH)}" GOCACHE="${GOCACHE:-$(go env GOCACHE)}"
mkdir home
for tool in github.com/sigstore/cosign/v3/cmd/cosign@v3.1.3 github.com/google/go-containerregistry/cmd/crane@v0.22.1 \
	oras.land/oras/cmd/oras@v1.3.6 \
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
lax=127.0.0.1:$((port + 1))
./crane registry serve --address "$lax" >crane.log 2>&1 &
pid="$pid $!"
curl -sf --retry 50 --retry-delay 1 --retry-connrefused "http://$lax/v2/" >/dev/null || { cat crane.log; exit 2; }
status() { # command…: its exit code
	local code=0
	"$@" >log 2>&1 || code=$?
	echo "exit $code"
}
verify=(./cosign verify --key key.pub --insecure-ignore-tlog)
for form in bundle classic; do
	./crane append --insecure -f layer.tar -t "$reg/$form:v1" >log 2>&1 || { cat log; exit 2; }
	digest=$(./crane digest --insecure "$reg/$form:v1")
	newFormat=true
	[ $form = bundle ] || newFormat=false
	./cosign sign --key key.key --use-signing-config=false --tlog-upload=false -y --new-bundle-format=$newFormat "$reg/$form@$digest" >log 2>&1 || { cat log; exit 2; }
	echo "$form: save: $(status ./cosign save --dir $form "$reg/$form@$digest")"
	echo "$form: verifies in the directory: $(status "${verify[@]}" --local-image $form)"
	echo "$form: oras cp -r: $(status ./oras cp -r --from-oci-layout "$form@$digest" --to-plain-http "$reg/$form-oras:v1")"
	echo "$form: verifies after oras: $(status "${verify[@]}" "$reg/$form-oras:v1")"
	for to in "$reg" "$reg" "$lax"; do
		name=distribution
		[ "$to" = "$reg" ] || name=crane
		echo "$form: load into $name: $(status ./cosign load --dir $form "$to/$form-loaded:v1") $(grep -o -m1 MANIFEST_BLOB_UNKNOWN log || true)"
		if ./crane digest --insecure "$to/$form-loaded:v1" >log 2>&1; then echo "$form: tag in $name: yes"; else echo "$form: tag in $name: no"; fi
		echo "$form: verifies in $name: $(status "${verify[@]}" "$to/$form-loaded:v1")"
	done
done | tee out

for want in 'bundle: save: exit 0' 'bundle: verifies in the directory: exit 0' 'bundle: load into distribution: exit 1 MANIFEST_BLOB_UNKNOWN' \
	'bundle: oras cp -r: exit 0' 'bundle: verifies after oras: exit 10' 'bundle: tag in distribution: yes' 'bundle: verifies in distribution: exit 10' 'bundle: load into crane: exit 0 ' 'bundle: verifies in crane: exit 0' \
	'classic: load into distribution: exit 0 ' 'classic: verifies in distribution: exit 0' 'classic: verifies in crane: exit 0'; do
	grep -qxF "$want" out || { echo "CHANGED: not \"$want\""; exit 1; }
done
! grep -q 'bundle: load into distribution: exit 0' out || { echo "CHANGED: some try succeeds"; exit 1; }
echo "as stated: the image arrives, its bundle does not"
