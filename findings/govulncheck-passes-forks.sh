#!/usr/bin/env bash
# Software: govulncheck (golang.org/x/vuln) v1.9.0, go 1.26 or 1.27; a vulnerability database in a directory (-db file://…).
# Expected: of a module that go.mod replaces by a fork the vulnerabilities are those that the database has under the fork's
#           path. If the function of the report is called, govulncheck says so, with exit 3, for the source and for the program
#           alike.
# Happens:  the fork is looked up in the database (its version is shown), but its packages go by the import paths of the
#           original, and the report names those of the fork: no function ever matches. Source: "0 vulnerabilities", "your code
#           doesn't appear to call these", exit 0. Program: "No vulnerabilities found", without that remark. Without the
#           replacement both exit with 3.
# Matters:  forks with patches of one's own are what closed networks have, and a gate that runs govulncheck is green for each of
#           them, whatever is known of them and of their originals. Ask the database by module and version for what is replaced.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export GOFLAGS="-modcacherw -buildvcs=false" GOTOOLCHAIN=auto
cd "$work"
GOBIN=$work go install golang.org/x/vuln/cmd/govulncheck@v1.9.0 2>log || { cat log; exit 2; }
mkdir -p tool app db/index db/ID
cat >tool/main.go <<'EOF'
package main

import (
	"archive/zip"
	"fmt"
	"os"
)

// main writes a GOPROXY tree with example.com/lib and its fork, which says in its go.mod that it is example.com/lib.
func main() {
	for _, path := range []string{"example.com/lib", "example.com/fork"} {
		dir := "proxy/" + path + "/@v/"
		goMod := "module example.com/lib\n"
		check(os.MkdirAll(dir, 0o755))
		check(os.WriteFile(dir+"v1.0.0.info", []byte(`{"Version":"v1.0.0"}`), 0o644))
		check(os.WriteFile(dir+"v1.0.0.mod", []byte(goMod), 0o644))
		f, err := os.Create(dir + "v1.0.0.zip")
		check(err)
		z := zip.NewWriter(f)
		for name, text := range map[string]string{"go.mod": goMod, "lib.go": "package lib\n\n//go:noinline\nfunc F() string { return \"" + path + "\" }\n"} {
			w, err := z.Create(path + "@v1.0.0/" + name)
			check(err)
			fmt.Fprint(w, text)
		}
		check(z.Close())
	}
}

func check(err error) {
	if err != nil {
		panic(err)
	}
}
EOF
go run tool/main.go
report() { # id path: of a vulnerability in the function F of all versions
	printf '{"schema_version":"1.3.1","id":"%s","modified":"2026-01-01T00:00:00Z","published":"2026-01-01T00:00:00Z","summary":"%s","details":"-",' "$1" "$2"
	printf '"affected":[{"package":{"name":"%s","ecosystem":"Go"},"ranges":[{"type":"SEMVER","events":[{"introduced":"0"}]}],' "$2"
	printf '"ecosystem_specific":{"imports":[{"path":"%s","symbols":["F"]}]}}],"references":[],"database_specific":{"url":"https://example.com/"}}' "$2"
}
report GO-2026-0001 example.com/lib >db/ID/GO-2026-0001.json
report GO-2026-0002 example.com/fork >db/ID/GO-2026-0002.json
date=2026-01-01T00:00:00Z
printf '{"modified":"%s"}' $date >db/index/db.json
printf '[{"path":"example.com/lib","vulns":[{"id":"GO-2026-0001","modified":"%s"}]},' $date >db/index/modules.json
printf '{"path":"example.com/fork","vulns":[{"id":"GO-2026-0002","modified":"%s"}]}]' $date >>db/index/modules.json
printf '[{"id":"GO-2026-0001","modified":"%s"},{"id":"GO-2026-0002","modified":"%s"}]' $date $date >db/index/vulns.json

cd app
printf 'package main\n\nimport "example.com/lib"\n\nfunc main() { println(lib.F()) }\n' >main.go
export GOPROXY="file://$work/proxy" GONOSUMDB=example.com GOMODCACHE="$work/cache"
scan() { # what arguments…
	local code=0
	"$work/govulncheck" -db "file://$work/db" "${@:2}" >"$work/log" 2>&1 || code=$?
	echo "$1: exit $code, $(grep -oE 'No vulnerabilities found|affected by [0-9]+ vulnerabilit(y|ies)' "$work/log" | sort -u | paste -sd' ')"
	"$work/govulncheck" -db "file://$work/db" -format json "${@:2}" | grep -o '"osv": "GO[^"]*"' | sort -u || true
}
{
	printf 'module example.com/app\n\ngo 1.25\n\nrequire example.com/lib v1.0.0\n' >go.mod
	for project in original forked; do
		[ $project = original ] || echo 'replace example.com/lib v1.0.0 => example.com/fork v1.0.0' >>go.mod
		go mod tidy 2>"$work/log" || { cat "$work/log"; exit 2; }
		go build -o "$work/program" .
		echo "$project runs: $("$work/program" 2>&1)"
		scan "$project source" ./...
		scan "$project program" -mode binary "$work/program"
	done
} | tee "$work/out"
cd ..
for want in 'original runs: example.com/lib' 'original source: exit 3, affected by 1 vulnerability' 'original program: exit 3, affected by 1 vulnerability' \
	'forked runs: example.com/fork' 'forked source: exit 0, No vulnerabilities found affected by 0 vulnerabilities' \
	'forked program: exit 0, No vulnerabilities found'; do
	grep -qxF "$want" out || { echo "CHANGED: not \"$want\""; exit 1; }
done
echo "as stated: what is replaced by a fork is called, and passes"
