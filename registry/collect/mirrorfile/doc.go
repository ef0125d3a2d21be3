// Package mirrorfile parses the mirror file, modferry.yaml, which says what to mirror, and its lock, modferry.lock,
// which says what that came to. It reads no files and asks nobody.
//
//	version: 1                       # required
//	store: harbor.example/golang     # as --registry; the directory of oci:DIR is relative to the file
//	key: cosign.key                  # the private key to sign with, relative to the file
//	upstream: https://proxy.example  # a GOPROXY list; if left out, the go command's
//	private: ["corp.example/*"]      # GOPRIVATE patterns
//	platforms: [linux/amd64]         # default for tools and toolchains
//	downloadAll: false               # default for projects: so that "go mod download all" works
//	projects:
//	  - ./service
//	  - {dir: ../lib, downloadAll: true}
//	modules:
//	  - golang.org/x/text@latest                                     # module@query
//	  - {module: github.com/spf13/cobra, versions: ">=v1.4.0 <v2"}   # every release in the range
//	  - {module: github.com/google/uuid, latest: 3}                  # the newest three releases
//	  - {module: example.com/m, query: v1.2.3, deps: false}          # without what it needs
//	tools:
//	  - golang.org/x/tools/cmd/stringer@latest
//	  - {package: example.com/t/cmd/x, query: v1.0.0, platforms: [windows/amd64]}
//	toolchains:
//	  - go1.26                       # go1.26.8, go1.26 (its newest patch), latest
//	  - {release: go1.25.3, platforms: [linux/arm64]}
//	allow: ["github.com/**", "golang.org/x/**"]      # if given, nothing else is mirrored
//	deny:
//	  - modules: ["github.com/evil/**", "example.com/lib@<v1.4.2"]
//	    reason: CVE-2026-0001
//
// The patterns of allow and deny are goproxy.Pattern, whose goproxy.Range also says what v2 means as a bound, in
// ranges and in queries. The file is YAML, but strict: what is unknown, doubled, empty or of another type is an
// error, and so are anchors, aliases, tags and a second document.
//
// The lock is YAML as well, with a line for each fact, in order, so that git shows and merges them
// one by one; [ParseLock] takes nothing else.
//
//	version: 1
//	sources:
//	  - source: "module example.com/m@main"     # the ID of an entry
//	    needs:                                  # what to mirror for it; with /go.mod, only the go.mod
//	      - example.com/dep v1.0.0/go.mod
//	      - example.com/m v1.2.3
//	    revisions:                              # what names of versions led to
//	      - "example.com/m main v1.2.3"
//	sums:                                       # as in a go.sum
//	  - example.com/m v1.2.3 h1:…
//
// A source may also have a fingerprint, and means instead of needs: see [Locked].
package mirrorfile
