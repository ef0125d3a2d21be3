package prune_test

import (
	"archive/zip"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/module"
	"oras.land/oras-go/v2/registry/remote/auth"

	"github.com/modferry/modferry/artifact"
	"github.com/modferry/modferry/artifact/artifacttest"
	"github.com/modferry/modferry/artifact/sign"
	"github.com/modferry/modferry/artifact/sign/signtest"
	"github.com/modferry/modferry/registry"
	"github.com/modferry/modferry/registry/inventory"
	"github.com/modferry/modferry/registry/prune"
	"github.com/modferry/modferry/registry/remote"
	"github.com/modferry/modferry/registry/remote/registrytest"
	"github.com/modferry/modferry/registry/stores"
	"github.com/modferry/modferry/registry/storetest"
)

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func open(t testing.TB, ref string) *registry.Store {
	t.Helper()
	client, err := remote.NewClient(remote.ClientOptions{
		MinBackoff: time.Microsecond, MaxBackoff: time.Millisecond,
		Credentials: func(context.Context, string) (auth.Credential, error) { return auth.EmptyCredential, nil },
	})
	must(t, err)
	s, err := stores.Open(client, ref)
	must(t, err)
	t.Cleanup(func() { s.Close() })
	return s
}

func version(s string) module.Version {
	path, v, _ := strings.Cut(s, "@")
	return module.Version{Path: path, Version: v}
}

// publish publishes a version whose go.mod requires others: "path@version: path@version …"; mod-only if it ends in
// ".mod".
func publish(t testing.TB, s *registry.Store, line string) {
	t.Helper()
	name, requires, _ := strings.Cut(line, ":")
	name, modOnly := strings.CutSuffix(name, ".mod")
	m := version(name)
	gomod := "module " + m.Path + "\n"
	for r := range strings.FieldsSeq(requires) {
		gomod += "require " + strings.ReplaceAll(r, "@", " ") + "\n"
	}
	f := artifact.Files{Module: m, Info: artifacttest.Info(m), GoMod: []byte(gomod)}
	if !modOnly {
		f.ZipFile = zipFile(t, m, gomod)
	}
	storetest.Publish(t, s, artifacttest.Build(t, f), signtest.Signer(t, 0))
}

// zipFile writes the zip of a module with nothing but a go.mod.
func zipFile(t testing.TB, m module.Version, gomod string) string {
	t.Helper()
	var out bytes.Buffer
	z := zip.NewWriter(&out)
	w, err := z.Create(m.String() + "/go.mod")
	must(t, err)
	_, err = io.WriteString(w, gomod)
	must(t, errors.Join(err, z.Close()))
	name := filepath.Join(t.TempDir(), "m.zip")
	must(t, os.WriteFile(name, out.Bytes(), 0o600))
	return name
}

// world is a store of a few modules: lib needs dep, which needs base.
var world = []string{
	"example.com/lib@v1.0.0: example.com/dep@v1.0.0", "example.com/lib@v1.1.0: example.com/dep@v1.1.0", "example.com/lib@v1.2.0: example.com/dep@v1.2.0",
	"example.com/dep@v1.0.0: example.com/base@v0.1.0", "example.com/dep@v1.1.0: example.com/base@v0.2.0", "example.com/dep@v1.2.0: example.com/base@v0.3.0",
	"example.com/base@v0.1.0.mod", "example.com/base@v0.2.0.mod", "example.com/base@v0.3.0.mod", "example.com/base@v0.4.0",
}

func fill(t testing.TB, s *registry.Store) {
	t.Helper()
	signer := signtest.Signer(t, 0)
	for _, line := range world {
		publish(t, s, line)
	}
	for _, v := range []string{"v1.0.0", "v1.2.0"} {
		m := module.Version{Path: "example.com/lib", Version: v}
		must(t, s.PublishEvidence(t.Context(), artifact.Evidence{Module: m, Record: []byte("record")}, signer))
	}
	must(t, s.PublishRevision(t.Context(), artifact.Revision{Path: "example.com/lib", Name: "old", Version: "v1.0.0"}, signer))
	must(t, s.PublishRevision(t.Context(), artifact.Revision{Path: "example.com/lib", Name: "main", Version: "v1.2.0"}, signer))
	must(t, s.PublishIndex(t.Context(), []string{"example.com/lib", "example.com/dep", "example.com/base"}, signer))
}

// each runs a test with a store of either kind that has been filled. A layout is filled once, and copied.
func each(t *testing.T, test func(t *testing.T, s *registry.Store)) {
	template := filepath.Join(templates, "layout")
	if _, err := os.Stat(template); err != nil {
		s := open(t, "oci:"+template)
		fill(t, s)
		must(t, s.Close())
	}
	t.Run("layout", func(t *testing.T) {
		dir := t.TempDir()
		must(t, os.CopyFS(dir, os.DirFS(template)))
		test(t, open(t, "oci:"+dir))
	})
	t.Run("registry", func(t *testing.T) {
		s := open(t, registrytest.New(t, registrytest.Options{AllowDelete: true}).Host()+"/golang")
		fill(t, s)
		test(t, s)
	})
}

// templates is a directory for as long as the tests run.
var templates string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "prune-*")
	if err != nil {
		panic(err)
	}
	templates = dir
	code := m.Run()
	os.RemoveAll(dir)
	os.Exit(code)
}

func planFor(t testing.TB, s *registry.Store, r prune.Rules) *prune.Plan {
	t.Helper()
	p := &prune.Planner{Rules: r, Lister: inventory.Lister{Store: s}}
	plan, err := p.Plan(t.Context())
	must(t, err)
	// What is applied is what was written down.
	var text bytes.Buffer
	must(t, plan.Write(&text))
	parsed, err := prune.Parse(&text)
	must(t, err)
	if fmt.Sprint(parsed) != fmt.Sprint(plan) {
		t.Errorf("written\n%v\nread\n%v", plan, parsed)
	}
	return parsed
}

func removed(p *prune.Plan) (list []string) {
	for _, r := range p.Removals {
		list = append(list, strings.TrimPrefix(r.Repository, "example.com/")+":"+r.Tag)
		for _, c := range r.With {
			if !strings.HasSuffix(c.Tag, ".sig") {
				list = append(list, "+"+c.Tag)
			}
		}
	}
	return list
}

func apply(t testing.TB, s *registry.Store, p *prune.Plan) map[prune.Outcome]int {
	t.Helper()
	outcomes := make(map[prune.Outcome]int)
	must(t, p.Apply(t.Context(), s, func(r prune.Result) {
		outcomes[r.Outcome]++
		if r.Reason != "" {
			t.Logf("%s:%s %s: %s", r.Repository, r.Tag, r.Outcome, r.Reason)
		}
	}))
	return outcomes
}

// tags returns all tags of a store but those of signatures.
func tags(t testing.TB, s *registry.Store) (list []string) {
	t.Helper()
	for repo, err := range s.Repositories(t.Context()) {
		must(t, err)
		for tag, err := range s.Tags(t.Context(), repo) {
			if errors.Is(err, registry.ErrNotFound) {
				continue // nothing is left of it
			}
			must(t, err)
			if !strings.HasSuffix(tag, ".sig") && repo != artifact.IndexRepository {
				list = append(list, strings.TrimPrefix(repo, "example.com/")+":"+tag)
			}
		}
	}
	slices.Sort(list)
	return list
}

// wantSigned checks that what is left is signed and whole, and that no signature is left of what is not there.
func wantSigned(t testing.TB, s *registry.Store) {
	t.Helper()
	for repo, orphans := range wantReadable(t, s) {
		if orphans != 0 && repo != artifact.IndexRepository {
			t.Errorf("%s: %d signatures of what is not there", repo, orphans)
		}
	}
}

// wantReadable checks that what is left is signed and whole, and returns how many other signatures there are.
func wantReadable(t testing.TB, s *registry.Store) map[string]int {
	t.Helper()
	orphans := make(map[string]int)
	for repo, err := range s.Repositories(t.Context()) {
		must(t, err)
		signatures, expected := 0, make(map[string]bool)
		for tag, err := range s.Tags(t.Context(), repo) {
			if errors.Is(err, registry.ErrNotFound) {
				continue
			}
			must(t, err)
			if strings.HasSuffix(tag, ".sig") {
				signatures++
				continue
			}
			d, raw, err := s.Manifest(t.Context(), repo, tag)
			must(t, err)
			expected[sign.Tag(d.Digest)] = true
			if _, _, err := s.Manifest(t.Context(), repo, sign.Tag(d.Digest)); err != nil {
				t.Errorf("%s:%s lost its signature: %v", repo, tag, err)
			}
			if m, err := artifact.ParseManifest(raw); err == nil {
				damaged, err := s.Damaged(t.Context(), &registry.Module{Manifest: m, Repository: repo, Descriptor: d, Raw: raw}, true)
				if err != nil || len(damaged) > 0 {
					t.Errorf("%s:%s is damaged: %v, %v", repo, tag, damaged, err)
				}
			}
		}
		orphans[repo] = signatures - len(expected)
	}
	return orphans
}
