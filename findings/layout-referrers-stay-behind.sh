#!/usr/bin/env bash
# Software: oras v1.3.6 and regctl v0.11.7 on one OCI image layout; a registry served by crane v0.22.1.
# Expected: an OCI layout is a standard, and so are referrers: a signature or SBOM that one tool attaches to an
#           artifact in a layout is seen by the other, and copied with "include the referrers".
# Happens:  it works one way only. regctl writes the fallback tag sha256-<hex> into index.json, which oras follows. oras
#           puts the referrer itself into index.json and finds it by its subject field; regctl looks for the tag alone and
#           sees nothing. "regctl image copy --referrers" out of such a layout copies the artifact without what was
#           attached, and exits with 0.
# Matters:  media that carry signed modules: on the far side the module is there and its signature is not, depending on
#           which tool packed and which unpacked. Write both forms, or count the referrers after the copy.
set -euo pipefail
work=$(mktemp -d)
pid=
trap '[ -z "$pid" ] || kill "$pid"; rm -rf "$work"' EXIT
cd "$work"
export DOCKER_CONFIG="$work" REGCTL_CONFIG="$work/regctl.json"
for tool in oras.land/oras/cmd/oras@v1.3.6 github.com/regclient/regclient/cmd/regctl@v0.11.7 \
	github.com/google/go-containerregistry/cmd/crane@v0.22.1; do
	GOBIN="$work" go install "$tool" 2>log || { cat log; exit 2; }
done

port=$((20000 + RANDOM % 20000))
reg=127.0.0.1:$port
./crane registry serve --address "$reg" >registry.log 2>&1 &
pid=$!
curl -sf --retry 50 --retry-delay 1 --retry-connrefused "http://$reg/v2/" >/dev/null || { cat registry.log; exit 2; }
./regctl registry set "$reg" --tls disabled

kind=application/vnd.example.signature
echo 'module example.com/m' >go.mod
echo '{"signed":true}' >signature.json
for packer in oras regctl; do
	./oras push --oci-layout --artifact-type application/vnd.example.gomod "by-$packer:v1.0.0" go.mod:text/plain >/dev/null
done
./oras attach --oci-layout by-oras:v1.0.0 --artifact-type $kind signature.json:application/json >/dev/null
./regctl artifact put --subject ocidir://by-regctl:v1.0.0 --artifact-type $kind -f signature.json --file-media-type application/json

seen() { grep -c "$kind" || true; }
for packer in oras regctl; do
	{
		echo "attached by $packer, seen by oras: $(./oras discover --format json --oci-layout "by-$packer:v1.0.0" | seen)"
		echo "attached by $packer, seen by regctl: $(./regctl artifact list "ocidir://by-$packer:v1.0.0" | seen)"
		./regctl image copy --referrers "ocidir://by-$packer:v1.0.0" "$reg/by-$packer/moved-by-regctl:v1.0.0" >/dev/null
		echo "attached by $packer, moved by regctl: $(./oras discover --format json --plain-http "$reg/by-$packer/moved-by-regctl:v1.0.0" | seen)"
		./oras cp -r --from-oci-layout --to-plain-http "by-$packer:v1.0.0" "$reg/by-$packer/moved-by-oras:v1.0.0" >/dev/null
		echo "attached by $packer, moved by oras: $(./oras discover --format json --plain-http "$reg/by-$packer/moved-by-oras:v1.0.0" | seen)"
	} | tee -a out
done

for want in 'oras, seen by oras: 1' 'oras, seen by regctl: 0' 'oras, moved by regctl: 0' 'oras, moved by oras: 1' \
	'regctl, seen by oras: 1' 'regctl, seen by regctl: 1' 'regctl, moved by regctl: 1' 'regctl, moved by oras: 1'; do
	grep -qxF "attached by $want" out || { echo "CHANGED: not \"attached by $want\""; exit 1; }
done
echo "as stated: what oras attached in a layout, regctl neither sees nor moves"
