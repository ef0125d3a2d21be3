package mirror

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"golang.org/x/mod/module"

	"github.com/modferry/modferry/artifact/goproxy"
	"github.com/modferry/modferry/registry/collect"
	"github.com/modferry/modferry/registry/collect/collecttest"
	"github.com/modferry/modferry/registry/collect/mirrorfile"
	"github.com/modferry/modferry/registry/upstream/upstreamtest"
)

// quietly are options of a run that has warnings.
func quietly(lock *mirrorfile.Lock) collect.FileOptions {
	return collect.FileOptions{Options: collect.Options{Warn: func(error) {}}, Lock: lock}
}

func TestAQueryStaysLockedThoughNotAllThatItNeedsIsKnown(t *testing.T) {
	needy := map[string]string{
		"go.mod": "module example.com/a\n\ngo 1.24\n\nrequire example.com/nosuch v1.0.0\n",
		"a.go":   "package a\n\nimport _ \"example.com/nosuch\"\n",
	}
	tree := upstreamtest.NewTree(t)
	tree.Add(t, "example.com/a@v1.0.0", needy)
	f := parseMirrorFile(t, "version: 1\nmodules: [example.com/a@latest, {module: example.com/a, latest: 1}]\n")
	up := collecttest.NewUpstream(t, tree.URL())
	stores := "oci:" + filepath.Join(t.TempDir(), "store")
	lock, err := lockAfter(t, up, f, quietly(nil), stores)
	m := module.Version{Path: "example.com/a", Version: "v1.0.0"}
	if err != nil || len(lock.Sources) != 2 || lock.Sums[m].Zip == "" {
		t.Fatalf("%v\n%s", err, lock.Format())
	}
	for _, s := range lock.Sources {
		if !slices.Equal(s.Means, []module.Version{m}) || len(s.Needs) > 0 {
			t.Errorf("locked: %+v", s)
		}
	}

	tree.Add(t, "example.com/a@v1.1.0", nil)
	again, err := lockAfter(t, up, f, quietly(lock), stores)
	if err != nil || string(again.Format()) != string(lock.Format()) {
		t.Errorf("the queries moved: %v\n%s", err, again.Format())
	}
	o := quietly(lock)
	o.Update = true
	updated, err := lockAfter(t, up, f, o, stores)
	m.Version = "v1.1.0"
	if err != nil || updated.Source("module example.com/a@latest").Needs[0].Module != m {
		t.Errorf("after an update: %v\n%s", err, updated.Format())
	}
}

func TestWhatAModuleNeedsIsNotLockedWhenUpstreamDoesNotAnswer(t *testing.T) {
	f := parseMirrorFile(t, "version: 1\nmodules: [example.com/a@v1.0.0]\n")
	up := collecttest.NewUpstream(t, upstreamtest.NewTree(t, "example.com/a@v1.0.0").URL())
	stores := "oci:" + filepath.Join(t.TempDir(), "store")
	if _, err := lockAfter(t, up, f, quietly(nil), stores); err != nil {
		t.Fatal(err)
	}
	var warnings []error // the store has the module itself, so this is all that tells
	o := collect.FileOptions{Options: collect.Options{Warn: func(err error) { warnings = append(warnings, err) }}}
	lock, err := lockAfter(t, collecttest.NewUpstream(t, "off"), f, o, stores)
	if err != nil || len(warnings) != 1 || len(lock.Sources) != 1 || len(lock.Sources[0].Needs) > 0 {
		t.Errorf("%v, %v\n%s", err, warnings, lock.Format())
	}
}

func TestTheSumsOfAProjectCountForWhatIsLocked(t *testing.T) {
	tree := upstreamtest.NewTree(t, "example.com/a@v1.0.0")
	sum := mustSums(t, tree, "example.com/a@v1.0.0")
	upstreamtest.WriteFiles(t, map[string]string{
		"p/go.mod":  "module corp.example/p\n\ngo 1.24\n\nrequire example.com/a v1.0.0\n",
		"p/go.sum":  sum,
		"p/main.go": "package main\n\nimport _ \"example.com/a\"\n\nfunc main() {}\n",
	})
	f := parseMirrorFile(t, "version: 1\nprojects: [p]\n")
	up := collecttest.NewUpstream(t, tree.URL())
	lock, err := lockAfter(t, up, f, collect.FileOptions{}, "oci:"+filepath.Join(t.TempDir(), "store"))
	if err != nil || len(lock.Sources) != 1 {
		t.Fatalf("%v\n%s", err, lock.Format())
	}
	lock.Sums = nil // as after a run in which nothing could be fetched
	plan, problems := collect.MirrorFile(t.Context(), collecttest.NewUpstream(t, "off"), f, collect.FileOptions{Lock: lock})
	if len(problems) > 0 || len(plan.Items) != 1 || plan.Items[0].Sum == "" || plan.Items[0].GoModSum == "" {
		t.Errorf("%+v, %v", plan.Items, problems)
	}
}

func TestWhatIsLockedStaysWhenAProjectCannotBeRead(t *testing.T) {
	tree := upstreamtest.NewTree(t, "example.com/a@v1.0.0")
	upstreamtest.WriteFiles(t, map[string]string{
		"p/go.mod": "module corp.example/p\n\ngo 1.24\n\nrequire example.com/a v1.0.0\n",
		"p/go.sum": mustSums(t, tree, "example.com/a@v1.0.0"),
		"p/p.go":   "package p\n\nimport _ \"example.com/a\"\n",
	})
	f := parseMirrorFile(t, "version: 1\nprojects: [p]\n")
	up := collecttest.NewUpstream(t, tree.URL())
	lock, err := lockAfter(t, up, f, collect.FileOptions{}, "oci:"+filepath.Join(t.TempDir(), "store"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Rename("p", "elsewhere"); err != nil {
		t.Fatal(err)
	}
	plan, problems := collect.MirrorFile(t.Context(), up, f, collect.FileOptions{Lock: lock})
	if got := plan.Lock(); len(problems) != 1 || string(got.Format()) != string(lock.Format()) {
		t.Errorf("%v\n%s", problems, got.Format())
	}
}

func TestASumStaysLockedWhileItsVersionIsDenied(t *testing.T) {
	const modules = "version: 1\nmodules: [example.com/a@v1.0.0]\n"
	m := module.Version{Path: "example.com/a", Version: "v1.0.0"}
	up := collecttest.NewUpstream(t, upstreamtest.NewTree(t, m.String()).URL())
	stores := "oci:" + filepath.Join(t.TempDir(), "store")
	lock, err := lockAfter(t, up, parseMirrorFile(t, modules), collect.FileOptions{}, stores)
	if err != nil || lock.Sums[m].Zip == "" {
		t.Fatalf("%v\n%s", err, lock.Format())
	}
	plan, problems := collect.MirrorFile(t.Context(), up, parseMirrorFile(t, modules+"deny: [{modules: [example.com/a]}]\n"), collect.FileOptions{Lock: lock})
	if len(plan.Items) != 0 || len(problems) != 1 || !errors.Is(problems[0], mirrorfile.ErrDenied) {
		t.Fatalf("%v, %v", plan.Items, problems)
	}
	if got := plan.Lock(); string(got.Format()) != string(lock.Format()) {
		t.Errorf("the lock changed:\n%s", got.Format())
	}
}

func TestWhatARangeMeantIsNotForgottenWhileAPartIsDenied(t *testing.T) {
	const modules = "version: 1\nmodules: [{module: example.com/a, latest: 2}]\n"
	tree := upstreamtest.NewTree(t, "example.com/a@v1.1.0")
	tree.Add(t, "example.com/a@v1.0.0", map[string]string{
		"go.mod": "module example.com/a\n\ngo 1.24\n\nrequire example.com/nosuch v1.0.0\n", "a.go": "package a\n\nimport _ \"example.com/nosuch\"\n",
	})
	up := collecttest.NewUpstream(t, tree.URL())
	stores := "oci:" + filepath.Join(t.TempDir(), "store")
	lock, err := lockAfter(t, up, parseMirrorFile(t, modules), quietly(nil), stores)
	if err != nil || len(lock.Sources[0].Means) != 2 {
		t.Fatalf("%v\n%s", err, lock.Format())
	}
	o := quietly(lock)
	o.GoCommand = collecttest.GoCommand(t, up)
	plan, problems := collect.MirrorFile(t.Context(), up, parseMirrorFile(t, modules+"deny: [{modules: [example.com/a@v1.0.0]}]\n"), o)
	if got := plan.Lock(); len(problems) != 1 || string(got.Format()) != string(lock.Format()) {
		t.Errorf("%v\n%s", problems, got.Format())
	}
}

func TestAToolchainStaysLockedThoughAPlatformLacksIt(t *testing.T) {
	tree := upstreamtest.NewTree(t)
	addToolchains(t, tree, "go1.25.1.linux-amd64")
	f := parseMirrorFile(t, "version: 1\ntoolchains: [go1.25]\nplatforms: [linux/amd64, windows/amd64]\n")
	up := collecttest.NewUpstream(t, tree.URL())
	plan, problems := collect.MirrorFile(t.Context(), up, f, quietly(nil))
	if len(plan.Items) != 1 || len(problems) != 1 {
		t.Fatalf("%v, %v", plan.Items, problems)
	}
	lock := plan.Lock()
	addToolchains(t, tree, "go1.25.2.linux-amd64", "go1.25.2.windows-amd64")
	plan, problems = collect.MirrorFile(t.Context(), up, f, quietly(lock))
	if len(problems) > 0 || len(plan.Items) != 2 || plan.Items[0].Module != goproxy.Toolchain("go1.25.1", "linux/amd64") {
		t.Errorf("the release moved: %v, %v", plan.Items, problems)
	}
}
