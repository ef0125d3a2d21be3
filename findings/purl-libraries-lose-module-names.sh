#!/usr/bin/env bash
# Software: github.com/package-url/packageurl-go v0.1.7, packageurl-js 2.0.1 (npm), golang.org/x/mod v0.42.0.
# Expected: a package URL that one official library writes is read back by it, and by its sister in another
#           language, as the same module version; equal modules give equal strings.
# Happens:  1. packageurl-go writes github.com/BurntSushi/toml in its own case but folds the case of the whole
#              path when it reads, its own output included. What it returns is the name of another
#              module: a GOPROXY has it under another path (case is escaped there).
#           2. "+incompatible": the Go library writes %2B, the JavaScript one writes + even when it was given %2B. The
#              purl of one version is two strings.
#           3. packageurl-js keeps the case, so after one round through each library the two agree on nothing.
# Matters:  joining an SBOM or a scanner's report with the modules in a store by purl loses exactly the modules with
#           capitals and the ones without a go.mod; name and version must be compared as module.Version instead.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export GOFLAGS="-modcacherw -buildvcs=false"
cd "$work"
npm install --silent --no-audit --no-fund packageurl-js@2.0.1 >log 2>&1 || { cat log; exit 2; }
printf 'module example.com/tool\n\ngo 1.25\n' >go.mod
cat >main.go <<'EOF'
package main

import (
	"fmt"
	"os"
	"path"

	packageurl "github.com/package-url/packageurl-go"
	"golang.org/x/mod/module"
)

func main() {
	for _, m := range []module.Version{
		{Path: "github.com/BurntSushi/toml", Version: "v1.6.0"},
		{Path: "github.com/docker/docker", Version: "v28.0.0+incompatible"},
		{Path: "golang.org/x/mod", Version: "v0.42.0"},
	} {
		namespace, name := path.Split(m.Path)
		written := packageurl.NewPackageURL("golang", path.Clean(namespace), name, m.Version, nil, "").ToString()
		read, err := packageurl.FromString(written)
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(2)
		}
		fmt.Println("module ", m.Path, m.Version, escaped(m.Path))
		fmt.Println("go-writes", written)
		fmt.Println("go-reads", path.Join(read.Namespace, read.Name), read.Version, escaped(path.Join(read.Namespace, read.Name)))
		fmt.Println("go-rewrites", read.ToString())
	}
}

func escaped(p string) string {
	e, err := module.EscapePath(p)
	if err != nil {
		return err.Error()
	}
	return e
}
EOF
cat >read.mjs <<'EOF'
import { PackageURL } from 'packageurl-js'
for (const s of process.argv.slice(2)) {
  const p = PackageURL.fromString(s)
  console.log('js-reads', `${p.namespace}/${p.name}`, p.version)
  console.log('js-rewrites', p.toString())
}
EOF
go get github.com/package-url/packageurl-go@v0.1.7 golang.org/x/mod@v0.42.0 2>log || { cat log; exit 2; }
go run . | tee go.out
node read.mjs $(awk '$1 == "go-writes" { print $2 }' go.out) | tee js.out

has() { grep -qxF -- "$2" "$1" || { echo "CHANGED: no line \"$2\""; exit 1; }; }
has go.out 'go-writes pkg:golang/github.com/BurntSushi/toml@v1.6.0'
has go.out 'go-reads github.com/burntsushi/toml v1.6.0 github.com/burntsushi/toml'
has js.out 'js-reads github.com/BurntSushi/toml v1.6.0'
has go.out 'go-rewrites pkg:golang/github.com/docker/docker@v28.0.0%2Bincompatible'
has js.out 'js-rewrites pkg:golang/github.com/docker/docker@v28.0.0+incompatible'
has go.out 'go-rewrites pkg:golang/golang.org/x/mod@v0.42.0'
has js.out 'js-rewrites pkg:golang/golang.org/x/mod@v0.42.0'
echo "as stated: only the module with lower-case letters and no + comes through both libraries unchanged"
