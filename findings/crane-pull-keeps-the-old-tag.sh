#!/usr/bin/env bash
# Software: crane v0.22.1 (go-containerregistry), regctl v0.11.7, oras v1.3.6 on OCI image layouts.
# Expected: pulling a moved tag into the same layout once more refreshes it, and a reference name in a layout means one
#           manifest, whoever reads it.
# Happens:  "crane pull --format=oci --annotate-ref" appends: after the second pull the layout has two manifests of one
#           name, the old one first. regctl takes the first, so it goes on reading the old manifest for good, though the
#           pull said nothing and the new one is there. crane itself cannot push the layout back any more ("contains 2
#           entries"). And for equal short names the order decides by tool: of one index.json regctl reads the first,
#           oras the last, neither with a warning.
# Matters:  a layout that is refreshed on a schedule and carried across serves stale content, or another version than the
#           one that was checked with another tool. Who writes layouts must replace names; who reads them must refuse two.
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

for content in old new; do
	echo "$content" >go.mod
	tar --sort=name --mtime=@0 --owner=0 --group=0 -cf layer.tar go.mod
	./crane append --insecure -f layer.tar -t "$reg/m:latest" >log 2>&1 || { cat log; exit 2; }
	declare "$content=$(./crane digest --insecure "$reg/m:latest")"
	./crane pull --insecure --format=oci --annotate-ref "$reg/m:latest" pulled 2>log || { cat log; exit 2; }
done
name_of() { # digest
	if [ "$1" = "$old" ]; then echo old; elif [ "$1" = "$new" ]; then echo new; else echo "$1"; fi
}
{
	echo "entries after two pulls of m:latest: $(grep -o ref.name pulled/index.json | wc -l)"
	echo "regctl reads from the pulled layout: $(name_of "$(./regctl image digest ocidir://pulled:latest)")"
	echo "crane push of the pulled layout: $(./crane push --insecure pulled "$reg/back:latest" 2>&1 | tail -1)"

	# The same with short names, as oras and regctl write them.
	sed "s,$reg/m:,," pulled/index.json >short.json
	cp -r pulled short
	cp short.json short/index.json
	echo "regctl reads from short names: $(name_of "$(./regctl image digest ocidir://short:latest)")"
	echo "oras reads from short names: $(name_of "$(./oras resolve --oci-layout short:latest)")"
	echo "oras lists: $(./oras repo tags --oci-layout short | paste -sd' ')"
} | tee out

for want in 'entries after two pulls of m:latest: 2' 'regctl reads from the pulled layout: old' \
	'crane push of the pulled layout: Error: layout contains 2 entries, consider --index' \
	'regctl reads from short names: old' 'oras reads from short names: new' 'oras lists: latest'; do
	grep -qxF "$want" out || { echo "CHANGED: not \"$want\""; exit 1; }
done
echo "as stated: the layout still gives the old content under the tag, or the new, depending on the tool"
