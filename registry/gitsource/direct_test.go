package gitsource

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/modferry/modferry/artifact"
)

// A row is a case of a table about https://corp.example/mod, and the module corp.example/mod.git. Each has a repository of its own.
type row struct {
	name  string
	steps []string
	query string // for the go command, behind the module path of the root; as in "/sub@v1.0.0"
	o     Options
}

// prepare makes the repositories, puts their directories into the options, and asks the go command for all modules at once.
// What it says is in the order of the rows.
func (b *bench) prepare(rows []row) []downloaded {
	b.t.Helper()
	queries := make([]string, len(rows))
	b.t.Run("make", func(t *testing.T) {
		for i := range rows {
			name := fmt.Sprintf("mod%d", i)
			own := func(s string) string {
				return strings.ReplaceAll(s, "corp.example/mod.git", "corp.example/"+name+".git")
			}
			r := &rows[i]
			r.o.Module, queries[i] = own(r.o.Module), "corp.example/"+name+".git"+r.query
			steps := slices.Clone(r.steps)
			for j, step := range steps {
				steps[j] = own(step)
			}
			t.Run(r.name, func(t *testing.T) {
				t.Parallel()
				one := *b
				one.t = t
				r.o.Dir = filepath.Join(one.checkoutAs(name, steps...), filepath.FromSlash(r.o.Dir))
			})
		}
	})
	return b.downloads(queries)
}

// downloaded is what "go mod download -json" prints of a module.
type downloaded struct {
	Path, Version, Error string
	Info, GoMod          string // names of files
	Sum, GoModSum, Zip   string
}

// download asks the go command for a module. It looks for it where the module path says.
func (b *bench) download(query string, env ...string) downloaded {
	b.t.Helper()
	return b.downloads([]string{query}, env...)[0]
}

// downloads asks the go command for modules of different paths.
func (b *bench) downloads(queries []string, env ...string) []downloaded {
	b.t.Helper()
	cmd := exec.Command("go", append([]string{"mod", "download", "-json"}, queries...)...)
	cmd.Dir = b.dir
	cmd.Env = slices.Concat(b.env, []string{"PWD=" + b.dir}, env)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output() // an error is in Error, too
	said := make(map[string]downloaded)
	for dec := json.NewDecoder(bytes.NewReader(out)); dec.More(); {
		var d downloaded
		must(b.t, dec.Decode(&d))
		said[d.Path] = d
	}
	var all []downloaded
	for _, query := range queries {
		path, _, _ := strings.Cut(query, "@")
		d, ok := said[path]
		if !ok {
			b.t.Fatalf("the go command says nothing of %s: %v\n%s", query, err, stderr.Bytes())
		}
		all = append(all, d)
	}
	return all
}

// equal compares a package with what the go command made.
func equal(t *testing.T, p *Package, want downloaded) {
	t.Helper()
	if want.Error != "" {
		t.Fatalf("the go command refuses what was packed as %v: %s", p.Files.Module, want.Error)
	}
	if p.Files.Module.Version != want.Version {
		t.Errorf("version %s, go has %s", p.Files.Module.Version, want.Version)
	}
	for name, got := range map[string][]byte{want.Info: p.Files.Info, want.GoMod: p.Files.GoMod} {
		data, err := os.ReadFile(name)
		must(t, err)
		if string(got) != string(data) {
			t.Errorf("%s: got\n%s\ngo has\n%s", filepath.Ext(name), got, data)
		}
	}
	a, err := artifact.Build(p.Files)
	must(t, err)
	if a.Manifest.Sum != want.Sum || a.Manifest.GoModSum != want.GoModSum {
		t.Errorf("sums %s and %s, go has %s and %s", a.Manifest.Sum, a.Manifest.GoModSum, want.Sum, want.GoModSum)
	}
}
