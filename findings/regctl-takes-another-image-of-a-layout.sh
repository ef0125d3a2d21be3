#!/usr/bin/env bash
# Software: regctl v0.11.7 and oras v1.3.6 on one OCI image layout.
# Expected: a layout whose entries have the full names of their images, as containerd, podman and skopeo write them, is
#           addressed by those names; "ocidir://DIR:v1.0.0", of which there is no entry, is not found.
# Happens:  regctl takes the first entry in index.json whose name ends in ":v1.0.0", whatever image that is of, and exits with
#           0. When a tool writes the entries in another order, the same command copies another image. The full name it
#           refuses as an invalid reference. oras takes the full name (--oci-layout-path), and finds nothing by the tag alone.
# Matters:  all repositories of modules have the same tags. A script that copies one module out of a layout of many
#           gets a wrong one without a word. With regctl, name images of such layouts by digest.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
export DOCKER_CONFIG="$work" REGCTL_CONFIG="$work/regctl.json"
for tool in oras.land/oras/cmd/oras@v1.3.6 github.com/regclient/regclient/cmd/regctl@v0.11.7; do
	GOBIN="$work" go install "$tool" 2>log || { cat log; exit 2; }
done

for module in alpha beta; do
	echo "module example.com/$module" >go.mod
	./oras push --oci-layout-path layout --artifact-type application/vnd.example.gomod "example.com/$module:v1.0.0" go.mod:text/plain >/dev/null
done
digest_of() { ./oras resolve --oci-layout-path layout "example.com/$1:v1.0.0"; }
name_of() { # what regctl takes for ocidir://layout:v1.0.0
	got=$(./regctl manifest head ocidir://layout:v1.0.0)
	for module in alpha beta; do
		if [ "$got" = "$(digest_of $module)" ]; then echo $module; fi
	done
}
reorder() { # the layout with its entries in the order of their names, or in reverse
	entries=$(grep -o '{"mediaType":"application/vnd.oci.image.manifest[^}]*}[^}]*}' layout/index.json | sort $1 -t: -k7 | paste -sd,)
	echo '{"schemaVersion":2,"manifests":['"$entries"']}' >layout/index.json
}

reorder ''
first=$(name_of)
reorder -r
second=$(name_of)
echo "ocidir://layout:v1.0.0 is:                     $first"
echo "after the entries were put in another order:   $second"
if ./regctl manifest head ocidir://layout:example.com/beta:v1.0.0 2>error; then
	full=taken
else
	full="refused: $(cat error)"
fi
echo "by its full name it is $full"
if ./oras resolve --oci-layout-path layout v1.0.0 >/dev/null 2>error; then short=found; else short='not found'; fi
echo "oras, by the tag alone: $short"

[ "$first" != "$second" ] && [ -n "$first" ] && [ -n "$second" ] || { echo "CHANGED: regctl takes $first and $second"; exit 1; }
[ "$full" != taken ] || { echo "CHANGED: regctl takes full names"; exit 1; }
[ "$short" = 'not found' ] || { echo "CHANGED: oras finds the tag alone"; exit 1; }
echo "as stated: of two images with the tag, regctl takes the first in the file"
