#!/usr/bin/env bash
# Software: go 1.27.3 (go mod tidy).
# Expected: tidy keeps the blocks that people made in go.mod: a comment over a block goes on speaking of the modules below
#           it. It always did so, and the same go 1.27 still does for a file that says "go 1.26".
# Happens:  as soon as the go line says 1.27, tidy pours all direct requirements into one block, in order of the alphabet,
#           and stacks the comments of the old blocks on top of it. The words stay and their modules change: "do not
#           upgrade" and "free to upgrade" now stand over every module. A comment over a single require line moves
#           with its module, a comment over a block of one line does not. There is no warning and exit is 0.
# Matters:  projects that must be mirrored note in such blocks what comes from where and what waits for approval. Scripts
#           and people who read the blocks are misled after a one-word edit; the notes belong on the lines instead.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export GOFLAGS=-modcacherw GOTOOLCHAIN=go1.27.3 GOWORK=off
cd "$work"
cat >user.go <<'EOF'
package user

import (
	_ "golang.org/x/mod/semver"
	_ "golang.org/x/sync/errgroup"
	_ "golang.org/x/text/width"
)
EOF
for line in 1.26.0 1.27.0; do
	cat >go.mod <<EOF
module example.com/user

go $line

// On its own line: approved last year.
require golang.org/x/sync v0.19.0

// Comes on a medium only: do not upgrade.
require (
	golang.org/x/text v0.32.0
)

// On the public proxy: free to upgrade.
require (
	golang.org/x/mod v0.31.0
)
EOF
	go mod tidy 2>log || { cat log; exit 2; }
	cp go.mod "$line.mod"
	echo "--- after go mod tidy, go $line"
	tail -n +5 "$line.mod"
done

# above FILE MODULE: the comments that a reader takes as speaking of the module.
above() {
	awk -v module="$2" '
		/^\/\// { block = block $0 "\n"; next }
		/^\t\/\// { line = line $0 "\n"; next }
		index($0, module " v") { printf "%s%s", block, line; exit }
		/^require \($/ { next }
		{ line = "" }
		/^$|^\)$|^require [^(]/ { block = "" }' "$1"
}
for m in golang.org/x/text golang.org/x/mod; do
	echo "over $m, go 1.26.0: $(above 1.26.0.mod $m | paste -sd' ')"
	echo "over $m, go 1.27.0: $(above 1.27.0.mod $m | paste -sd' ')"
done
[ "$(above 1.26.0.mod golang.org/x/text)" = '// Comes on a medium only: do not upgrade.' ] || { echo "CHANGED: go 1.26.0 moves comments"; exit 1; }
[ "$(above 1.26.0.mod golang.org/x/mod)" = '// On the public proxy: free to upgrade.' ] || { echo "CHANGED: go 1.26.0 moves comments"; exit 1; }
for m in golang.org/x/text golang.org/x/mod; do
	for words in 'do not upgrade' 'free to upgrade'; do
		above 1.27.0.mod $m | grep -q "$words" || { echo "CHANGED: \"$words\" is not over $m"; exit 1; }
	done
done
[ "$(grep -c '^require' 1.27.0.mod)" = 1 ] || { echo "CHANGED: more than one block"; exit 1; }
echo "as stated: with go 1.27 in go.mod both notes stand over both modules"
