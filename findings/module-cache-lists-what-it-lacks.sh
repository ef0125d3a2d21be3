#!/usr/bin/env bash
# Software: the go command 1.26 or 1.27: its module cache used as GOPROXY=file://$GOMODCACHE/cache/download.
# Expected: the download cache has the layout of a proxy (the reference says it may be served as one), so its
#           @v/list files name the versions that can be had from it.
# Happens:  the go command writes a version into @v/list as soon as it has read the version's go.mod, which reading a
#           module graph does for many versions that nobody builds. Their zips are not there. So "go get M" from a
#           copied cache picks a version that the cache lacks, and fails, although an older one is there complete.
# Matters:  caches carried into closed networks: plain "go get" and "go install M@latest" break on modules that are
#           present. @v/list of a mirror must be made from the zips, never from the .mod files or from these lists.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export GOFLAGS="-modcacherw -mod=mod" GOTOOLCHAIN=local GOWORK=off

# Connected: a project, with its graph read and one more module downloaded in full.
mkdir "$work/project" "$work/inside"
cd "$work/project"
printf 'module example.com/project\n\ngo 1.24\n\nrequire golang.org/x/tools v0.40.0\n' >go.mod
export GOMODCACHE="$work/cache"
go mod download golang.org/x/tools@v0.40.0 golang.org/x/sync@v0.18.0
go list -m all >"$work/graph"
copy="$work/cache/cache/download"
cat "$work/graph"
echo "sync listed: $(sort "$copy/golang.org/x/sync/@v/list" | paste -sd' ')"
echo "sync zips:   $(cd "$copy/golang.org/x/sync/@v" && ls ./*.zip | paste -sd' ')"

# Inside: only the copy of the cache.
cd "$work/inside"
printf 'module example.com/inside\n\ngo 1.24\n' >go.mod
export GOMODCACHE="$work/cache-inside" GOPROXY="file://$copy" GOSUMDB=off
echo "versions told: $(go list -m -versions golang.org/x/sync)"
status=0
go get golang.org/x/sync >"$work/latest" 2>&1 || status=$?
echo "go get golang.org/x/sync: exit $status: $(tail -1 "$work/latest")"
go get golang.org/x/sync@v0.18.0 2>&1 || { echo "CHANGED: the older version cannot be had either"; exit 1; }

[ "$status" -ne 0 ] || { echo "CHANGED: go get found a version that is there"; exit 1; }
grep -q 'v0.19.0.zip: no such file' "$work/latest" || { echo "CHANGED: another failure"; exit 1; }
echo "as stated: the cache lists v0.19.0, which it does not hold, and hides v0.18.0, which it does"
