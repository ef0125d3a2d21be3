#!/usr/bin/env bash
# Software: go 1.26.8 and 1.27.3 (compress/flate, compress/gzip, the zips that the go command makes from git),
#           github.com/klauspost/compress v1.18.0 for comparison.
# Expected: compressed bytes may change between Go releases, so one turns compression off (gzip.NoCompression) to
#           get the same layer digest for ever: stored blocks leave no room for choice.
# Happens:  they do. The new deflate of 1.27 cuts and ends stored data otherwise, so the same program writes another
#           gzip file at level 0 as well. A pinned library for gzip (klauspost) gives one digest under both.
#           The go command is such a program: a module fetched from git has one h1 sum, but 1.26 and 1.27 leave two
#           different .zip files in the module cache.
# Matters:  content-addressed stores: an upgrade of the compiler makes "the same" version a new blob, a tag conflict
#           or a lost deduplication. Whoever wants one digest must write the gzip framing out by hand or pin a library.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export GOFLAGS="-modcacherw -buildvcs=false" TMPDIR=$work GIT_CONFIG_GLOBAL="$work/gitconfig" GIT_CONFIG_NOSYSTEM=1
old=go1.26.8 new=go1.27.3

mkdir -p "$work/tool" "$work/repo"
cd "$work/tool"
printf 'module example.com/tool\n\ngo 1.23\n' >go.mod
cat >main.go <<'EOF'
package main

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"fmt"
	"io"

	klauspost "github.com/klauspost/compress/gzip"
)

func main() {
	var text bytes.Buffer
	for i := range 20000 {
		fmt.Fprintf(&text, "line %d of %x\n", i, i*i)
	}
	for _, level := range []int{gzip.NoCompression, gzip.DefaultCompression} {
		digest("stdlib", level, text.Bytes(), func(w io.Writer) (io.WriteCloser, error) { return gzip.NewWriterLevel(w, level) })
		digest("klauspost", level, text.Bytes(), func(w io.Writer) (io.WriteCloser, error) { return klauspost.NewWriterLevel(w, level) })
	}
}

func digest(name string, level int, text []byte, open func(io.Writer) (io.WriteCloser, error)) {
	var out bytes.Buffer
	w, err := open(&out)
	if err == nil {
		_, err = w.Write(text)
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		panic(err)
	}
	fmt.Printf("%s level %d: %d bytes, sha256:%.12x\n", name, level, out.Len(), sha256.Sum256(out.Bytes()))
}
EOF
go get github.com/klauspost/compress@v1.18.0 2>"$work/log" || { cat "$work/log"; exit 2; }

# A module in git, to be fetched without a proxy.
git config --global user.name finder
git config --global user.email finder@example.com
git config --global url."file://$work/repo".insteadOf https://example.com/m
cd "$work/repo"
git init -q
printf 'module example.com/m.git\n\ngo 1.21\n' >go.mod
{ echo 'package m'; for i in $(seq 2000); do echo "const C$i = $i"; done; } >m.go
git add .
git commit -qm first
git tag v1.0.0

for toolchain in $old $new; do
	go="$(GOTOOLCHAIN=$toolchain go env GOROOT)/bin/go"
	export GOTOOLCHAIN=local
	cd "$work/tool"
	"$go" run . >"$work/$toolchain"
	cd "$work"
	GOMODCACHE="$work/cache-$toolchain" GOPROXY=direct GONOSUMDB=example.com "$go" mod download example.com/m.git@v1.0.0
	cached="$work/cache-$toolchain/cache/download/example.com/m.git/@v/v1.0.0"
	echo "go command h1: $(cat "$cached.ziphash")" >>"$work/$toolchain"
	echo "go command zip: $(stat -c %s "$cached.zip") bytes, sha256:$(sha256sum <"$cached.zip" | cut -c1-12)" >>"$work/$toolchain"
	sed "s/^/$toolchain /" "$work/$toolchain"
done

line() { grep "^$2" "$work/$1"; }
for same in 'klauspost level 0' 'klauspost level -1' 'go command h1'; do
	[ "$(line $old "$same")" = "$(line $new "$same")" ] || { echo "CHANGED: $same differs"; exit 1; }
done
for different in 'stdlib level 0' 'stdlib level -1' 'go command zip'; do
	[ "$(line $old "$different")" != "$(line $new "$different")" ] || { echo "CHANGED: $different is the same"; exit 1; }
done
echo "as stated: other bytes from 1.27 at every level, stored ones too; equal h1, different zip files"
