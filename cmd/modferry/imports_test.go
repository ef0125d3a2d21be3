package main

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const modulePath = "github.com/modferry/modferry/"

// layers is the order of the packages: each imports only packages of the lines above its own. What only tests use
// is not part of it.
var layers = [][]string{
	{"artifact/goproxy", "registry/redact", "registry/httpclient", "registry/bundle/parity", "artifact/userfile"},
	{"artifact", "artifact/strictyaml", "registry/safetext", "registry/requirement", "registry/tempdir"},
	{"artifact/sign", "artifact/sumdb", "registry/bundle/ustar"},
	{"registry", "registry/gocmd"},
	{"proxyshim/access", "registry/remote", "registry/ocilayout", "registry/project", "registry/record", "registry/gitsource", "registry/outage"},
	{"registry/inventory", "registry/stores", "registry/upstream", "registry/verify", "registry/collect/mirrorfile", "proxyshim/cache"},
	{"proxyshim/events", "proxyshim/snapshots"},
	{"registry/collect/closure", "proxyshim", "registry/transfer"},
	{"registry/bundle", "registry/prune", "registry/selection"},
	{"registry/load"},
	{"registry/collect", "proxyshim/check", "proxyshim/audit", "proxyshim/page", "proxyshim/metrics"},
	{"registry/mirror"},
	{"cmd/modferry/internal/shell", "cmd/modferry/internal/listen", "cmd/modferry/internal/progress"},
	{"cmd/modferry/internal/audit", "cmd/modferry/internal/doctor", "cmd/modferry/internal/wishlist"},
	{"cmd/modferry/internal/checkreport", "cmd/modferry/internal/command"},
	{"cmd/modferry/internal/copying", "cmd/modferry/internal/countersign", "cmd/modferry/internal/inventorying", "cmd/modferry/internal/policies", "cmd/modferry/internal/pruning"},
	{"cmd/modferry/internal/bundling", "cmd/modferry/internal/syncing"},
	{"cmd/modferry"},
}

// only names who may import a library that decides much.
var only = map[string][]string{
	"github.com/sigstore/cosign/":      {"artifact/sign"},
	"oras.land/oras-go/":               {"registry/remote", "registry/ocilayout"},
	"github.com/urfave/cli/":           {"cmd/modferry", "cmd/modferry/internal/bundling", "cmd/modferry/internal/command", "cmd/modferry/internal/countersign", "cmd/modferry/internal/inventorying", "cmd/modferry/internal/policies", "cmd/modferry/internal/pruning", "cmd/modferry/internal/syncing"},
	"github.com/klauspost/reedsolomon": {"registry/bundle/parity"},
	"github.com/prometheus/":           {"proxyshim/metrics"},
}

func TestPackagesImportOneWay(t *testing.T) {
	rank := make(map[string]int)
	for i, layer := range layers {
		for _, name := range layer {
			rank[name] = i + 1
		}
	}
	for _, p := range listPackages(t) {
		name := strings.TrimPrefix(p.ImportPath, modulePath)
		if strings.HasSuffix(name, "test") || strings.HasPrefix(name, "e2e/") {
			continue
		}
		if rank[name] == 0 {
			t.Errorf("%s has no place in the order: give it one", name)
		}
		for _, imported := range p.Imports {
			own, ours := strings.CutPrefix(imported, modulePath)
			switch {
			case ours && rank[own] >= rank[name]:
				t.Errorf("%s imports %s, which is not below it", name, own)
			case ours && strings.HasSuffix(own, "test"):
				t.Errorf("%s imports %s, which is for tests", name, own)
			}
			for library, users := range only {
				if strings.HasPrefix(imported, library) && !slices.Contains(users, name) {
					t.Errorf("%s imports %s, which is for %v", name, imported, users)
				}
			}
		}
	}
}

type listedPackage struct {
	ImportPath string
	Imports    []string
}

func listPackages(t *testing.T) []listedPackage {
	t.Helper()
	cmd := exec.Command("go", "list", "-json=ImportPath,Imports", modulePath+"...")
	out, err := cmd.Output()
	must(t, err)
	var list []listedPackage
	for d := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p listedPackage
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			return list
		} else if err != nil {
			t.Fatal(err)
		}
		list = append(list, p)
	}
}
