#!/usr/bin/env bash
# Software: go 1.26.8 and 1.27.3 (go mod tidy -diff, go mod tidy, go mod verify).
# Expected: "go mod tidy -diff" exits with 0 when, and only when, "go mod tidy" would leave go.mod and go.sum as they are.
#           And what go mod verify and the build accept as the same sums is not untidy.
# Happens:  1. a go.mod with CRLF line ends: -diff prints nothing and exits with 0; tidy then rewrites every line of it.
#           2. a go.sum with CRLF, with its lines in another order or with a blank line at its end: -diff exits with 1, and tidy
#              changes nothing. So the advice "run go mod tidy" does not help: the check stays red after any
#              number of runs, while verify and build are content. With CRLF the diff shows lines that look equal.
# Matters:  the check in CI, or a proof that a project works from a mirror alone, is green on a file that the next tidy
#           changes, and red for ever on one that tidy thinks tidy (a merge of two branches makes such an order). Compare the
#           parsed sums instead, or delete go.sum before tidy writes it anew.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export GOFLAGS=-modcacherw GOWORK=off
cd "$work"
printf 'package user\n\nimport _ "golang.org/x/sync/errgroup"\n' >user.go
printf 'module example.com/user\n\ngo 1.25.0\n\nrequire golang.org/x/sync v0.19.0\n' >go.mod
GOTOOLCHAIN=local go mod tidy 2>log || { cat log; exit 2; }
cp go.mod tidy.mod
cp go.sum tidy.sum

ask() { # what: the verdicts on go.mod and go.sum as they lie here
	local diff=0 verify=0 build=0 changed=no
	go mod tidy -diff >diff.out 2>&1 || diff=$?
	go mod verify >log 2>&1 || verify=$?
	go build ./... >log 2>&1 || build=$?
	cat go.mod go.sum >before
	go mod tidy
	cat go.mod go.sum | cmp -s before - || changed=yes
	echo "$GOTOOLCHAIN $1: tidy -diff $diff, verify $verify, build $build, changed by tidy: $changed" | tee -a out
	cp tidy.mod go.mod
	cp tidy.sum go.sum
}
for GOTOOLCHAIN in go1.26.8 go1.27.3; do
	export GOTOOLCHAIN
	ask 'as tidy left it'
	sed 's/$/\r/' tidy.mod >go.mod
	ask 'go.mod with CRLF'
	sed 's/$/\r/' tidy.sum >go.sum
	ask 'go.sum with CRLF'
	sort -r tidy.sum >go.sum
	ask 'go.sum in another order'
	echo >>go.sum
	ask 'go.sum with a blank line'
	for want in 'as tidy left it: tidy -diff 0, verify 0, build 0, changed by tidy: no' \
		'go.mod with CRLF: tidy -diff 0, verify 0, build 0, changed by tidy: yes' \
		'go.sum with CRLF: tidy -diff 1, verify 0, build 0, changed by tidy: no' 'go.sum in another order: tidy -diff 1, verify 0, build 0, changed by tidy: no' \
		'go.sum with a blank line: tidy -diff 1, verify 0, build 0, changed by tidy: no'; do
		grep -qF "$GOTOOLCHAIN $want" out || { echo "CHANGED: not \"$want\""; exit 1; }
	done
done
echo "as stated: -diff overlooks what tidy changes in go.mod, and minds what tidy leaves in go.sum"
