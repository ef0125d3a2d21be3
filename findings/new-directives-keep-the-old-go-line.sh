#!/usr/bin/env bash
# Software: go 1.26.8 and 1.27.3 ("go get -tool", "go mod tidy", "go vet"); go 1.22.12, 1.23.12 and 1.24.13 with GOTOOLCHAIN=auto
#           as the readers; golang.org/x/tools v0.20.0 as the tool.
# Expected: the go line says which Go a go.mod needs, and since 1.21 an older go command fetches that one instead of failing.
#           So a line that only newer ones can read goes together with a go line that says so: "go get -tool" raises it, as go
#           get does for a requirement that needs a newer Go, and so does "go mod tidy".
# Happens:  "go get -tool" of 1.26 writes a tool line (read since 1.24) into a go.mod that says "go 1.21", and leaves that as it is.
#           That of 1.27 raises it, but no tidy or vet minds a file that has such a line already, nor one with a godebug (1.23)
#           or an ignore line (1.25). To the older ones that is "unknown directive: tool", exit 1: they read the go line,
#           find it old enough, and do not switch. With a newer go line in the same file they do.
# Matters:  where the go line is kept low on purpose, for users of a library or for an old image in CI, one "go get -tool" by a
#           colleague breaks each go command there, and a mirror of the toolchain that would help is never asked for it. Add
#           a toolchain line with the first such line, or raise the go line, or keep tools in a go.mod of their own.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export GOFLAGS="-modcacherw -buildvcs=false" GOWORK=off
cd "$work"
cat >main.go <<'EOF'
package main

func main() {}
EOF
read_by() { # toolchain: how "go build" of it goes, which toolchain that was
	if GOTOOLCHAIN="$1+auto" go build -o /dev/null . 2>log; then
		GOTOOLCHAIN="$1+auto" go env GOVERSION
	else
		grep -o 'unknown directive: [a-z]*' log || cat log
	fi
}
for toolchain in go1.26.8 go1.27.3; do
	for how in "get -tool golang.org/x/tools/cmd/stringer@v0.20.0" "mod edit -require=golang.org/x/tools@v0.20.0 -tool=golang.org/x/tools/cmd/stringer" \
		"mod edit -godebug=panicnil=1" "mod edit -ignore=./testdata"; do
		printf 'module example.com/project\n\ngo 1.21\n' >go.mod
		rm -f go.sum
		export GOTOOLCHAIN=$toolchain
		go $how 2>log || { cat log; exit 2; }
		go mod tidy 2>log || { cat log; exit 2; }
		go vet .
		case $how in
		get*) label="go get -tool" old=go1.23.12 new=1.24.13 ;;
		*-tool*) label="a tool line and go mod tidy" old=go1.23.12 new=1.24.13 ;;
		*godebug*) label="a godebug line and go mod tidy" old=go1.22.12 new=1.23.12 ;;
		*ignore*) label="an ignore line and go mod tidy" old=go1.24.13 new=1.26.8 ;;
		esac
		echo "$toolchain, $label: $(grep '^go ' go.mod); $old: $(read_by $old); with go $new: $(go mod edit -go=$new && read_by $old)"
	done
done | tee out
diff - out <<'EOF' || { echo "CHANGED: the lines with < were expected"; exit 1; }
go1.26.8, go get -tool: go 1.21; go1.23.12: unknown directive: tool; with go 1.24.13: go1.24.13
go1.26.8, a tool line and go mod tidy: go 1.21; go1.23.12: unknown directive: tool; with go 1.24.13: go1.24.13
go1.26.8, a godebug line and go mod tidy: go 1.21; go1.22.12: unknown directive: godebug; with go 1.23.12: go1.23.12
go1.26.8, an ignore line and go mod tidy: go 1.21; go1.24.13: unknown directive: ignore; with go 1.26.8: go1.26.8
go1.27.3, go get -tool: go 1.24; go1.23.12: go1.24.0; with go 1.24.13: go1.24.13
go1.27.3, a tool line and go mod tidy: go 1.21; go1.23.12: unknown directive: tool; with go 1.24.13: go1.24.13
go1.27.3, a godebug line and go mod tidy: go 1.21; go1.22.12: unknown directive: godebug; with go 1.23.12: go1.23.12
go1.27.3, an ignore line and go mod tidy: go 1.21; go1.24.13: unknown directive: ignore; with go 1.26.8: go1.26.8
EOF
printf 'module example.com/project\n\ngo 1.21\n\ntoolchain go1.26.8\n\nignore ./testdata\n' >go.mod
[ "$(read_by go1.24.13)" = go1.26.8 ] || { echo "CHANGED: a toolchain line does not help"; exit 1; }
echo "as stated: the new lines stand under an old go line, and older go commands neither read them nor switch"
