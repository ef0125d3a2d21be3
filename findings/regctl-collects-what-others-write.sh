#!/usr/bin/env bash
# Software: regctl v0.11.7, oras v1.3.6 and one OCI image layout; a registry served by crane v0.22.1.
# Expected: copying into a layout adds to it: blobs are named by their content, so two copies at a time can at worst
#           lose one of the two names in index.json.
# Happens:  whenever it has changed a layout, regctl deletes each blob that index.json does not lead to at that
#           moment, whoever wrote it and when. What oras is just copying, layers first, is such a blob. oras does not
#           look back: it reports success, and the layout has the image's name, its manifest and not its layers. The
#           same happens to blobs that "oras blob push" has put there for a manifest to come.
# Matters:  a job that gathers images with regctl into the layout that another one fills: both are green, and the loss
#           is found on the far side of the gap. One layout for one writer, or a lock around both; copy back what was
#           gathered, to see.
set -euo pipefail
work=$(mktemp -d)
pids=
trap '[ -z "$pids" ] || kill $pids; rm -rf "$work"' EXIT
cd "$work"
export DOCKER_CONFIG="$work" REGCTL_CONFIG="$work/regctl.json"
for tool in oras.land/oras/cmd/oras@v1.3.6 github.com/regclient/regclient/cmd/regctl@v0.11.7 \
	github.com/google/go-containerregistry/cmd/crane@v0.22.1; do
	GOBIN="$work" go install "$tool" 2>log || { cat log; exit 2; }
done

# A slow line: it holds the blob that is named back, until the file "go" is there.
cat >line.go <<'EOF'
package main

import (
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"strings"
	"time"
)

func main() {
	to, _ := url.Parse(os.Args[2])
	line := httputil.NewSingleHostReverseProxy(to)
	http.ListenAndServe(os.Args[1], http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet && strings.HasSuffix(r.URL.Path, os.Args[3]) {
			os.WriteFile("held", nil, 0o644)
			for _, err := os.Stat("go"); err != nil; _, err = os.Stat("go") {
				time.Sleep(20 * time.Millisecond)
			}
		}
		line.ServeHTTP(w, r)
	}))
}
EOF
go build -o line line.go

port=$((20000 + RANDOM % 20000))
reg=127.0.0.1:$port
slow=127.0.0.1:$((port + 1))
./crane registry serve --address "$reg" >registry.log 2>&1 &
pids=$!
for i in 1 2 3 4; do head -c 3000 /dev/urandom >layer$i; done
sum() { sha256sum <"$1" | cut -d' ' -f1; }
./line "$slow" "http://$reg" "$(sum layer3)" >line.log 2>&1 &
pids="$pids $!"
for at in "$reg" "$slow"; do
	curl -sf --retry 50 --retry-delay 1 --retry-connrefused "http://$at/v2/" >/dev/null || { cat registry.log line.log; exit 2; }
	./regctl registry set --tls disabled "$at"
done

type=application/vnd.example
./oras push --plain-http "$reg/large:v1" --artifact-type $type layer1 layer2 layer3 >/dev/null
./oras push --plain-http "$reg/small:v1" --artifact-type $type layer4 >/dev/null
./oras push --oci-layout layout:first --artifact-type $type line.go >/dev/null
has() { if [ -e "layout/blobs/sha256/$(sum "$1")" ]; then echo "there"; else echo "gone"; fi; }

./oras cp --from-plain-http --to-oci-layout "$slow/large:v1" layout:large >copy.log 2>&1 &
copy=$!
for _ in $(seq 300); do
	if [ -e held ] && [ "$(has layer1)$(has layer2)" = therethere ]; then break; fi
	sleep 0.1
done
{
	echo "oras under way: layer1 $(has layer1), layer2 $(has layer2), layer3 $(has layer3)"
	./regctl image copy "$reg/small:v1" ocidir://layout:small >/dev/null
	echo "after regctl copied another image: layer1 $(has layer1), layer2 $(has layer2)"
	touch go
	if wait $copy; then echo "oras cp: exit 0"; else echo "oras cp: exit 1"; fi
	echo "named large: $(./oras resolve --oci-layout layout:large >log 2>&1 && echo yes || echo no)"
	echo "its layers: layer1 $(has layer1), layer2 $(has layer2), layer3 $(has layer3)"
	./oras cp --from-oci-layout layout:large --to-oci-layout back:large >log 2>&1 && echo 'copying it out: done' || echo 'copying it out: fails'
	echo 'for a manifest to come' >blob
	./oras blob push --oci-layout "layout@sha256:$(sum blob)" blob >/dev/null
	./regctl image copy "$reg/small:v1" ocidir://layout:again >/dev/null
	echo "blob of oras blob push, after regctl copied: $(has blob)"
} >out # not a pipe, for "wait" knows the children of its own shell
cat out

for want in 'oras under way: layer1 there, layer2 there, layer3 gone' 'after regctl copied another image: layer1 gone, layer2 gone' \
	'oras cp: exit 0' 'named large: yes' 'its layers: layer1 gone, layer2 gone, layer3 there' 'copying it out: fails' \
	'blob of oras blob push, after regctl copied: gone'; do
	grep -qxF -- "$want" out || { echo "CHANGED: not \"$want\""; exit 1; }
done
echo "as stated: regctl deleted the layers that oras had just written, and both exit with 0"
