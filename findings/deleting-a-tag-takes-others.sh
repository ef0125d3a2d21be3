#!/usr/bin/env bash
# Software: oras v1.3.6, crane v0.22.1, regctl v0.11.7 and, where it is installed, skopeo; distribution v3.1.2 with deletion
#           enabled.
# Expected: given the name of a tag, a tool deletes that tag. Other tags, which name the same image, go on naming it.
# Happens:  "oras manifest delete REPO:TAG" and "skopeo delete docker://REPO:TAG" look the tag up and delete the manifest by its
#           digest: all other tags of it are gone, too, and the output names only the one that was asked for. "crane delete
#           REPO:TAG" deletes the tag and leaves the others. regctl refuses ("digest required") and has "tag delete" for it.
# Matters:  clean-up scripts that go by tag. Where latest, v1 and v1.2.3 are one image, removing the oldest name with one tool
#           removes the release, and with another nothing but a name. Delete by digest, on purpose, or by tag with crane or regctl.
set -euo pipefail
work=$(mktemp -d)
pid=
trap '[ -z "$pid" ] || kill "$pid"; rm -rf "$work"' EXIT
cd "$work"
export DOCKER_CONFIG="$work" REGCTL_CONFIG="$work/regctl.json"
for tool in oras.land/oras/cmd/oras@v1.3.6 github.com/regclient/regclient/cmd/regctl@v0.11.7 \
	github.com/google/go-containerregistry/cmd/crane@v0.22.1 github.com/distribution/distribution/v3/cmd/registry@v3.1.2; do
	GOBIN="$work" go install "$tool" 2>log || { cat log; exit 2; }
done

port=$((20000 + RANDOM % 20000))
reg=127.0.0.1:$port
printf 'version: 0.1\nstorage: {filesystem: {rootdirectory: %s/data}, delete: {enabled: true}}\nhttp: {addr: "%s"}\n' "$work" "$reg" >config.yml
./registry serve config.yml >registry.log 2>&1 &
pid=$!
curl -sf --retry 50 --retry-delay 1 --retry-connrefused "http://$reg/v2/" >/dev/null || { cat registry.log; exit 2; }
./regctl registry set "$reg" --tls disabled

echo 'module example.com/m' >go.mod
left() { # the tags that are left of three names of one image after a command has deleted one of them
	./oras push --plain-http "$reg/$1:v1.0.0" go.mod:text/plain >/dev/null
	./oras tag --plain-http "$reg/$1:v1.0.0" stable latest >/dev/null
	"${@:2}" >>deleted.log 2>&1 || echo "$1 refuses"
	echo "$1 leaves: $(./oras repo tags --plain-http "$reg/$1" | sort | paste -sd' ')"
}
{
	left oras ./oras manifest delete --plain-http --force "$reg/oras:v1.0.0"
	left crane ./crane delete "$reg/crane:v1.0.0"
	left regctl ./regctl image delete "$reg/regctl:v1.0.0"
	left regctl-tag ./regctl tag delete "$reg/regctl-tag:v1.0.0"
	! command -v skopeo >/dev/null || left skopeo skopeo delete --tls-verify=false "docker://$reg/skopeo:v1.0.0"
} | tee out
grep Deleted deleted.log

for want in 'oras leaves: ' 'crane leaves: latest stable' 'regctl refuses' 'regctl-tag leaves: latest stable'; do
	grep -qxF "$want" out || { echo "CHANGED: not \"$want\""; exit 1; }
done
! grep -q 'skopeo leaves: .' out || { echo "CHANGED: skopeo leaves other tags"; exit 1; }
echo "as stated: oras and skopeo delete all tags of an image where one was named"
