#!/usr/bin/env bash
# Software: trivy v0.74.0 (trivy image --input DIR, trivy image --input DIR:TAG), crane v0.22.1, oras v1.3.6 on one
#           OCI image layout.
# Expected: a layout with two images is scanned as a whole, or refused for want of a tag, as "crane push" refuses it
#           ("layout contains 2 entries").
# Happens:  the first image in index.json is scanned, and neither the report nor the log says that there is another:
#           exit 0. Which one is the first depends on the tool that wrote the file last.
# Matters:  a report of a layout that gathers images for transport is about one of them, which nobody is told. Scan
#           one image after the other, by DIR:TAG, and count the reports.
set -euo pipefail
work=$(mktemp -d)
pid=
trap '[ -z "$pid" ] || kill "$pid"; rm -rf "$work"' EXIT
cd "$work"
export DOCKER_CONFIG="$work"
for tool in oras.land/oras/cmd/oras@v1.3.6 github.com/google/go-containerregistry/cmd/crane@v0.22.1; do
	GOBIN="$work" go install "$tool" 2>log || { cat log; exit 2; }
done
# As trivy's own Makefile builds it. It takes long where nothing of it was built before.
GOEXPERIMENT=jsonv2 GOBIN="$work" go install github.com/aquasecurity/trivy/cmd/trivy@v0.74.0 2>log || { cat log; exit 2; }

port=$((20000 + RANDOM % 20000))
reg=127.0.0.1:$port
./crane registry serve --address "$reg" >registry.log 2>&1 &
pid=$!
curl -sf --retry 50 --retry-delay 1 --retry-connrefused "http://$reg/v2/" >/dev/null || { cat registry.log; exit 2; }
for image in alpha beta; do # each with one installed package, of its own name
	mkdir -p $image/lib/apk/db $image/etc
	printf 'P:%s\nV:1.0-r0\nA:x86_64\n\n' $image >$image/lib/apk/db/installed
	printf 'ID=alpine\nVERSION_ID=3.20.0\n' >$image/etc/os-release
	tar -C $image --sort=name --mtime=@0 --owner=0 --group=0 -cf $image.tar .
	./crane append --insecure --oci-empty-base -f $image.tar -t "$reg/$image:v1" >log 2>&1 || { cat log; exit 2; }
	./oras cp --from-plain-http "$reg/$image:v1" --to-oci-layout layout:$image >log 2>&1 || { cat log; exit 2; }
done

reorder() { # the layout with its entries in the order of their names, or in reverse
	entries=$(grep -o '{"mediaType":"application/vnd.oci.image.manifest[^}]*}[^}]*}' layout/index.json | sort $1 -t: -k6 | paste -sd,)
	echo '{"schemaVersion":2,"manifests":['"$entries"']}' >layout/index.json
}
scan() { # what trivy finds
	if ./trivy image --quiet --cache-dir cache --format cyclonedx --input "$1" >report 2>log; then
		echo "exit 0, $(grep -o 'pkg:apk/alpine/[a-z]*' report | sort -u | cut -d/ -f3 | paste -sd' ')"
	else
		echo "exit 1"
	fi
}
{
	reorder ''
	echo "alpha first: $(scan layout)"
	reorder -r
	echo "beta first: $(scan layout)"
	echo "by tag: $(scan layout:alpha) and $(scan layout:beta)"
	echo "crane push: $(./crane push --insecure layout "$reg/back:v1" 2>&1 | tail -1)"
} | tee out
for want in 'alpha first: exit 0, alpha' 'beta first: exit 0, beta' 'by tag: exit 0, alpha and exit 0, beta' \
	'crane push: Error: layout contains 2 entries, consider --index'; do
	grep -qxF -- "$want" out || { echo "CHANGED: not \"$want\""; exit 1; }
done
echo "as stated: of two images in a layout, trivy scans the first in the file"
