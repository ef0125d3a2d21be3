#!/usr/bin/env bash
# Software: regctl v0.11.7 (image copy, tag delete) and oras v1.3.6 on OCI image layouts of 500 and 2,000 images.
# Expected: adding one image to a layout, or taking a tag away, costs the image and index.json, read and written once;
#           with a clean-up afterwards at most each manifest once. Four times the images, four times the reading.
# Happens:  before it ends, regctl looks up each manifest by its digest, and reads the whole index.json for each. To
#           add an image of some bytes to 2,000 it reads 850 MB, 16 times as much as with 500; with 20,000 it would be
#           85 GB, and was stopped after nine minutes. Deleting a tag is the same. oras reads 1 MB for 2,000.
# Matters:  a layout of modules has an image for each version, tens of thousands of them. What took a blink when it
#           was tried grows with the square, and a loop that gathers n images with the cube. Gather in a registry or
#           with oras, and let regctl read: that takes no clean-up.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
export DOCKER_CONFIG="$work" REGCTL_CONFIG="$work/regctl.json"
for tool in oras.land/oras/cmd/oras@v1.3.6 github.com/regclient/regclient/cmd/regctl@v0.11.7; do
	GOBIN="$work" go install "$tool" 2>log || { cat log; exit 2; }
done

# A layout with the tags t0, t1, …, each of an artifact with one layer.
cat >generate.go <<'EOF'
package main

import (
	"crypto/sha256"
	"fmt"
	"os"
	"strconv"
	"strings"
)

func main() {
	dir, manifest := os.Args[1], "application/vnd.oci.image.manifest.v1+json"
	n, _ := strconv.Atoi(os.Args[2])
	os.MkdirAll(dir+"/blobs/sha256", 0o755)
	put := func(mediaType, content string) string {
		sum := fmt.Sprintf("%x", sha256.Sum256([]byte(content)))
		os.WriteFile(dir+"/blobs/sha256/"+sum, []byte(content), 0o644)
		return fmt.Sprintf(`{"mediaType":%q,"digest":"sha256:%s","size":%d`, mediaType, sum, len(content))
	}
	var entries []string
	for i := range n {
		entries = append(entries, put(manifest, fmt.Sprintf(`{"schemaVersion":2,"mediaType":%q,"config":%s},"layers":[%s}]}`, manifest,
			put("application/vnd.example.config.v1+json", "{}"), put("text/plain", fmt.Sprint("module ", i))))+
			fmt.Sprintf(`,"annotations":{"org.opencontainers.image.ref.name":"t%d"}}`, i))
	}
	os.WriteFile(dir+"/oci-layout", []byte(`{"imageLayoutVersion":"1.0.0"}`), 0o644)
	os.WriteFile(dir+"/index.json", []byte(`{"schemaVersion":2,"manifests":[`+strings.Join(entries, ",")+`]}`), 0o644)
}
EOF
go build -o generate generate.go
./generate one 1

kilobytes() { # what a command reads, its children included
	bash -c '"$@" >/dev/null || exit; awk "/^rchar/ { print int(\$2 / 1000) }" /proc/$$/io' kilobytes "$@"
}
declare -A kb
for n in 500 2000; do
	./generate of$n $n
	kb[added$n]=$(kilobytes ./regctl image copy ocidir://one:t0 ocidir://of$n:added)
	kb[deleted$n]=$(kilobytes ./regctl tag delete ocidir://of$n:added)
	kb[oras$n]=$(kilobytes ./oras cp --from-oci-layout one:t0 --to-oci-layout of$n:added)
	kb[read$n]=$(kilobytes ./regctl image copy ocidir://of$n:t7 ocidir://out$n:t7)
done
echo "kB read, of 500 and of 2,000 images: to add one with regctl ${kb[added500]} and ${kb[added2000]}, with oras ${kb[oras500]} and ${kb[oras2000]};"
echo "to delete a tag with regctl ${kb[deleted500]} and ${kb[deleted2000]}; to copy one out with regctl ${kb[read500]} and ${kb[read2000]}"
[ ${kb[added2000]} -gt $((12 * kb[added500])) ] && [ ${kb[added2000]} -gt 500000 ] || { echo 'CHANGED: regctl adds for less'; exit 1; }
[ ${kb[deleted2000]} -gt $((12 * kb[deleted500])) ] || { echo 'CHANGED: regctl deletes for less'; exit 1; }
[ ${kb[oras2000]} -lt 20000 ] && [ ${kb[read2000]} -lt 20000 ] || { echo 'CHANGED: oras, or regctl as a reader, takes more'; exit 1; }
echo "as stated: each change by regctl reads index.json once for each image in it"
