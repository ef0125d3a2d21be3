#!/usr/bin/env bash
# Software: go 1.26.8 and 1.27.3: "go build -trimpath -buildvcs=false" of one project from the module cache, in a workspace, and
#           from vendor/; golang.org/x/mod v0.42.0 as its dependency.
# Expected: -trimpath takes out where the source was. vendor/ has the same files, and go.sum their sums, so that all builds give
#           one program, byte for byte, as those from two module caches or in a workspace do.
# Happens:  as soon as there is a vendor directory the program is another one: its build information ("go version -m") names
#           each dependency without its h1 sum, which the build does not look up then, though go.sum lies beside it. With
#           -mod=mod in the same directory it is the first program again.
# Matters:  a team that goes from vendor/ to a mirror, or a rebuilder who checks a release with the one where it was made with
#           the other, gets other digests from equal source. And of a vendored program nobody can tell from its build
#           information which content its dependencies had: the version is there, and no sum that an SBOM or a store could be
#           compared with.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export GOFLAGS="-modcacherw -buildvcs=false -trimpath" CGO_ENABLED=0
mkdir -p "$work/a/project" "$work/b"
cd "$work/a/project"
printf 'module example.com/project\n\ngo 1.26.0\n\nrequire golang.org/x/mod v0.42.0\n' >go.mod
printf 'package main\n\nimport "golang.org/x/mod/semver"\n\nfunc main() { println(semver.Major("v1.2.3")) }\n' >main.go
go mod tidy 2>"$work/log" || { cat "$work/log"; exit 2; }
cp -r "$work/a/project" "$work/b/elsewhere"
for toolchain in go1.26.8 go1.27.3; do
	go="$(GOTOOLCHAIN=$toolchain go env GOROOT)/bin/go"
	export GOTOOLCHAIN=local
	build() { # name directory option…: prints digest and sum of the dependency
		(cd "$2" && "$go" build -o "$work/$1" "${@:3}")
		printf '%s %s\n' "$(sha256sum <"$work/$1" | cut -c1-12)" "$("$go" version -m "$work/$1" | awk '$1 == "dep" { print $3 " " ($4 ? $4 : "without a sum") }')"
	}
	here=$(build here "$work/a/project" .)
	elsewhere=$(build elsewhere "$work/b/elsewhere" .)
	printf 'go 1.26.0\n\nuse ./elsewhere\n' >"$work/b/go.work"
	workspace=$(build workspace "$work/b" ./elsewhere)
	rm "$work/b/go.work"
	(cd "$work/a/project" && "$go" mod vendor)
	vendored=$(build vendored "$work/a/project" .)
	beside=$(build beside "$work/a/project" -mod=mod .)
	rm -r "$work/a/project/vendor"
	unset GOTOOLCHAIN
	printf "$toolchain %s\n" "module cache: $here" "another directory: $elsewhere" "workspace: $workspace" "vendor/: $vendored" "vendor/ with -mod=mod: $beside"
	[ "$here" = "$elsewhere" ] && [ "$here" = "$workspace" ] && [ "$here" = "$beside" ] || { echo "CHANGED: builds from the module cache differ"; exit 1; }
	[ "${here%% *}" != "${vendored%% *}" ] || { echo "CHANGED: the vendored program is the same"; exit 1; }
	case "$here $vendored" in
	*"v0.42.0 h1:"*"v0.42.0 without a sum") ;;
	*) echo "CHANGED: sums are named otherwise"; exit 1 ;;
	esac
done
echo "as stated: from vendor/ comes another program, without the sums of its dependencies"
