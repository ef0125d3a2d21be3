#!/usr/bin/env bash
# Software: oras v1.3.6 (oras backup, oras restore); a registry served by crane v0.22.1.
# Expected: "oras backup" into a layout that already holds a backup either refuses or keeps both: the layout is a
#           backup, and its second run names another repository. "oras restore" into the repository that was saved
#           first brings back what was saved from it.
# Happens:  a layout has tags and no repositories. Both backups succeed with exit 0; where both repositories have a tag of one
#           name, the second takes it and the first is left without a name. Then "oras restore" pushes the second
#           repository's artifact into the first one's place, under its tag, and reports success.
# Matters:  repositories of modules all have the same tags (v1.0.0). A loop of "oras backup -o DIR" over them, the obvious way to
#           carry a registry out, silently yields a mix in which one module bears another's name.
set -euo pipefail
work=$(mktemp -d)
pid=
trap '[ -z "$pid" ] || kill "$pid"; rm -rf "$work"' EXIT
cd "$work"
export DOCKER_CONFIG="$work"
GOBIN="$work" go install oras.land/oras/cmd/oras@v1.3.6 2>log || { cat log; exit 2; }
GOBIN="$work" go install github.com/google/go-containerregistry/cmd/crane@v0.22.1 2>log || { cat log; exit 2; }

port=$((20000 + RANDOM % 20000))
reg=127.0.0.1:$port
./crane registry serve --address "$reg" >registry.log 2>&1 &
pid=$!
curl -sf --retry 50 --retry-delay 1 --retry-connrefused "http://$reg/v2/" >/dev/null || { cat registry.log; exit 2; }

for module in alpha beta; do
	echo "module $module" >go.mod
	./oras push --plain-http --artifact-type application/vnd.example.gomod "$reg/$module:v1.0.0" go.mod:text/plain >log || { cat log; exit 2; }
	echo "only $module" >go.mod
	./oras push --plain-http --artifact-type application/vnd.example.gomod "$reg/$module:v1.1.0-$module" go.mod:text/plain >log || { cat log; exit 2; }
done
content() { # what kind of oras target, reference
	rm -rf got
	./oras pull "$1" -o got "$2" >/dev/null
	cat got/go.mod
}

for module in alpha beta; do
	./oras backup --plain-http -o backup "$reg/$module" | tail -1
done
echo "tags in the layout: $(./oras repo tags --oci-layout backup | sort | paste -sd' ')"
echo "v1.0.0 in the layout: $(content --oci-layout backup:v1.0.0)"
echo "manifests without a name: $(grep -o '"mediaType":"application/vnd.oci.image.manifest.v1+json","digest"' backup/index.json | wc -l) entries, $(grep -o ref.name backup/index.json | wc -l) names"

./oras restore --plain-http --input backup "$reg/restored/alpha" | tail -1
restored=$(content --plain-http "$reg/restored/alpha:v1.0.0")
echo "v1.0.0 of alpha before: $(content --plain-http "$reg/alpha:v1.0.0")"
echo "v1.0.0 of alpha after:  $restored"
echo "tags of alpha after:    $(./oras repo tags --plain-http "$reg/restored/alpha" | sort | paste -sd' ')"

[ "$restored" = 'module beta' ] || { echo "CHANGED: alpha came back as $restored"; exit 1; }
[ "$(grep -o ref.name backup/index.json | wc -l)" = 3 ] || { echo "CHANGED: other names in the layout"; exit 1; }
echo "as stated: alpha's v1.0.0 is beta's now, and no command failed"
