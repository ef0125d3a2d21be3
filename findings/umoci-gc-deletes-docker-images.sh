#!/usr/bin/env bash
# Software: umoci v0.6.0 (umoci gc), crane v0.22.1, regctl v0.11.7 and oras v1.3.6 on one OCI image layout.
# Expected: "umoci gc" deletes the blobs that nothing in index.json leads to. An image in Docker's format (schema 2),
#           which skopeo, regctl, oras and crane keep in layouts as it is, since its digest must stay, leads to its
#           layers; or umoci, which does not know the format, leaves alone what it cannot read.
# Happens:  the manifest stays, and its configuration and all of its layers are deleted: exit 0, without a word. To
#           umoci, a manifest of a media type that it has no parser for is a blob that leads nowhere. Artifacts in the
#           OCI format, referrers among them, are kept, whatever their own types are.
# Matters:  layouts that gather a registry's content for transport have both formats in them: Docker's own base images
#           and the modules or charts beside them. The clean-up before the medium is written takes the former, and
#           only the copy on the far side tells. Convert to the OCI format before (which changes digests), or clean up
#           with regctl.
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
(
	mkdir umoci-build && cd umoci-build # its go.mod has a replace directive, which go install refuses
	go mod init umoci-build && go get github.com/opencontainers/umoci/cmd/umoci@v0.6.0 &&
		go build -o ../umoci github.com/opencontainers/umoci/cmd/umoci
) >log 2>&1 || { cat log; exit 2; }

port=$((20000 + RANDOM % 20000))
reg=127.0.0.1:$port
./crane registry serve --address "$reg" >registry.log 2>&1 &
pid=$!
curl -sf --retry 50 --retry-delay 1 --retry-connrefused "http://$reg/v2/" >/dev/null || { cat registry.log; exit 2; }
./regctl registry set --tls disabled "$reg"

for format in docker oci; do
	echo "a file of the $format image" >file
	tar --sort=name --mtime=@0 --owner=0 --group=0 -cf layer.tar file
	./crane append --insecure --oci-empty-base=$([ $format = oci ] && echo true || echo false) -f layer.tar -t "$reg/$format:v1" >log 2>&1 ||
		{ cat log; exit 2; }
	echo "$format image: $(./crane manifest --insecure "$reg/$format:v1" | grep -o '"mediaType":"[^"]*"' | head -1 | cut -d'"' -f4)"
	./regctl image copy "$reg/$format:v1" ocidir://layout:$format >/dev/null
done | tee out
echo 'module example.com/m' >go.mod
./oras push --oci-layout layout:module --artifact-type application/vnd.example.gomod go.mod:text/plain >/dev/null
./oras attach --oci-layout layout:module --artifact-type application/vnd.example.report layer.tar:text/plain >/dev/null

blobs() { find layout/blobs -type f | wc -l; }
back() { for image in docker oci module; do
	./oras cp -r --from-oci-layout layout:$image --to-oci-layout "$1-$image:v1" >log 2>&1 && echo "$1: $image image copied" || echo "$1: $image image fails"
done; }
{
	back before
	before=$(blobs)
	if ./umoci gc --layout layout >gc.log 2>&1; then echo "umoci gc: exit 0, prints $(wc -c <gc.log) bytes"; else echo "umoci gc: exit 1"; fi
	echo "blobs deleted: $((before - $(blobs)))"
	back after
} | tee -a out

expect() { grep -qxF -- "$1" out || { echo "CHANGED: not \"$1\""; exit 1; }; }
expect 'docker image: application/vnd.docker.distribution.manifest.v2+json'
for image in docker oci module; do expect "before: $image image copied"; done
expect 'umoci gc: exit 0, prints 0 bytes'
expect 'blobs deleted: 2'
expect 'after: docker image fails'
expect 'after: oci image copied'
expect 'after: module image copied'
echo "as stated: umoci gc deleted the configuration and the layer of an image that index.json names"
