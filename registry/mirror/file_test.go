package mirror

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"golang.org/x/mod/module"

	"github.com/modferry/modferry/artifact/sign/signtest"
	"github.com/modferry/modferry/registry/collect"
	"github.com/modferry/modferry/registry/collect/collecttest"
	"github.com/modferry/modferry/registry/collect/mirrorfile"
	"github.com/modferry/modferry/registry/requirement"
	"github.com/modferry/modferry/registry/upstream"
	"github.com/modferry/modferry/registry/upstream/upstreamtest"
)

func parseMirrorFile(t testing.TB, text string) *mirrorfile.File {
	t.Helper()
	f, err := mirrorfile.Parse("modferry.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestAMirrorFileNamesWhatIsMirrored(t *testing.T) {
	for _, tt := range []struct {
		name     string
		text     string
		want     []string
		problems []string
	}{
		{
			name: "queries",
			text: "modules:\n  - example.com/a@latest\n  - example.com/a@v1.0\n",
			want: []string{"example.com/a@v1.0.3 modferry.yaml:4", "example.com/a@v1.1.0 modferry.yaml:3"},
		}, {
			name: "every release in a range",
			text: "modules:\n  - {module: example.com/a, versions: \">=v1 <v1.2\"}\n",
			want: []string{"example.com/a@v1.0.0 modferry.yaml:3", "example.com/a@v1.0.3 modferry.yaml:3", "example.com/a@v1.1.0 modferry.yaml:3"},
		}, {
			name: "the newest releases",
			text: "modules:\n  - {module: example.com/a, latest: 2}\n",
			want: []string{"example.com/a@v1.0.3 modferry.yaml:3", "example.com/a@v1.1.0 modferry.yaml:3"},
		}, {
			name: "the newest of what has no release",
			text: "modules:\n  - {module: example.com/commits, latest: 2}\n",
			want: []string{"example.com/commits@v0.0.0-20250101000000-bbbbbbbbbbbb modferry.yaml:3"},
		}, {
			name: "what is denied does not count among the newest",
			text: "modules:\n  - {module: example.com/a, latest: 2}\ndeny:\n  - modules: [\"example.com/a@v1.1.0\"]\n",
			want: []string{"example.com/a@v1.0.0 modferry.yaml:3", "example.com/a@v1.0.3 modferry.yaml:3"},
		}, {
			name:     "what is denied is named, and the rest goes on",
			text:     "modules:\n  - example.com/a@v1.1.0\n  - example.com/a@v1.0.0\ndeny:\n  - modules: [\"example.com/a@>=v1.1.0\"]\n    reason: CVE-2026-0001\n",
			want:     []string{"example.com/a@v1.0.0 modferry.yaml:4"},
			problems: []string{"modferry.yaml:3: ", "CVE-2026-0001"},
		}, {
			name:     "a range of which everything is denied",
			text:     "modules:\n  - {module: example.com/a, versions: \">=v1.1\"}\ndeny:\n  - modules: [\"example.com/A@>=v1.1.0\"]\n",
			problems: []string{"modferry.yaml:3: ", "no version matches but those that are denied: modferry.yaml:5: deny: example.com/a@v1.1.0"},
		}, {
			name:     "what is not allowed is named",
			text:     "modules:\n  - example.com/a@v1.0.0\n  - example.com/pre@latest\nallow: [\"example.com/a\"]\n",
			want:     []string{"example.com/a@v1.0.0 modferry.yaml:3"},
			problems: []string{"modferry.yaml:4: "},
		}, {
			name:     "what cannot be resolved is named",
			text:     "modules:\n  - example.com/a@v7\n  - example.com/nosuch@latest\n  - {module: example.com/a, versions: \">=v7.0.0\"}\n  - example.com/a@v1.0.0\n",
			want:     []string{"example.com/a@v1.0.0 modferry.yaml:6"},
			problems: []string{"modferry.yaml:3: ", "modferry.yaml:4: ", "modferry.yaml:5: "},
		}, {
			name:     "what was retracted is named",
			text:     "modules:\n  - example.com/sorry@v1.1.0\n  - example.com/sorry@latest\n",
			want:     []string{"example.com/sorry@v1.0.0 modferry.yaml:4"},
			problems: []string{"modferry.yaml:3: ", "sorry"},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := parseMirrorFile(t, "version: 1\n"+tt.text)
			plan, problems := collect.MirrorFile(t.Context(), collecttest.NewUpstream(t, upstreamtest.QueryTree(t).URL()), f, collect.FileOptions{})
			if got := upstreamtest.DescribeItems(plan.Items); !slices.Equal(got, tt.want) {
				t.Errorf("items  %q\nwanted %q", got, tt.want)
			}
			said := errors.Join(problems...)
			if (said != nil) != (tt.problems != nil) {
				t.Fatalf("problems: %v", said)
			}
			for _, p := range tt.problems {
				if !strings.Contains(said.Error(), p) {
					t.Errorf("%q lacks %q", said, p)
				}
			}
		})
	}
}

// lockAfter mirrors what f asks for, and returns the lock written then.
func lockAfter(t *testing.T, up *upstream.Upstream, f *mirrorfile.File, o collect.FileOptions, stores string) (*mirrorfile.Lock, error) {
	t.Helper()
	if o.GoCommand == nil {
		o.GoCommand = collecttest.GoCommand(t, up)
	}
	plan, problems := collect.MirrorFile(t.Context(), up, f, o)
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	_, err := Run(t.Context(), plan.Items, Options{Stores: openStores(t, stores), Upstream: up, Signer: signtest.Signer(t, 0), Report: func(e Event) {
		if e.Status != Failed {
			plan.Stored(e.Module, e.Got.Zip, e.Got.GoMod)
		}
	}})
	return plan.Lock(), err
}

func TestALockKeepsWhatQueriesLedTo(t *testing.T) {
	tree := upstreamtest.NewTree(t, "example.com/a@v1.0.0")
	f := parseMirrorFile(t, "version: 1\nmodules: [example.com/a@latest]\n")
	up := collecttest.NewUpstream(t, tree.URL())
	stores := "oci:" + filepath.Join(t.TempDir(), "store")
	lock, err := lockAfter(t, up, f, collect.FileOptions{}, stores)
	if err != nil || len(lock.Sources) != 1 || len(lock.Sums) != 1 {
		t.Fatalf("%+v, %v", lock, err)
	}

	tree.Add(t, "example.com/a@v1.1.0", nil)
	nobody := collecttest.NewUpstream(t, "off") // a locked run asks for nothing
	again, err := lockAfter(t, nobody, f, collect.FileOptions{Lock: lock}, stores)
	if err != nil || string(again.Format()) != string(lock.Format()) {
		t.Errorf("a run under the lock changed it: %v\n%s", err, again.Format())
	}
	updated, err := lockAfter(t, up, f, collect.FileOptions{Lock: lock, Update: true}, stores)
	want := []requirement.Requirement{{Module: module.Version{Path: "example.com/a", Version: "v1.1.0"}}}
	if err != nil || len(updated.Sources) != 1 || !reflect.DeepEqual(updated.Sources[0].Needs, want) {
		t.Errorf("after an update: %v\n%s", err, updated.Format())
	}
}

func TestAProjectIsCollectedAgainWhenItChanges(t *testing.T) {
	tree := upstreamtest.NewTree(t, "example.com/a@v1.0.0", "example.com/a@v1.1.0")
	upstreamtest.WriteFiles(t, map[string]string{
		"p/go.mod":  "module corp.example/p\n\ngo 1.24\n\nrequire example.com/a v1.0.0\n",
		"p/main.go": "package main\n\nimport _ \"example.com/a\"\n\nfunc main() {}\n",
	})
	f := parseMirrorFile(t, "version: 1\nprojects: [p]\n")
	up := collecttest.NewUpstream(t, tree.URL())
	stores := "oci:" + filepath.Join(t.TempDir(), "store")
	o := collect.FileOptions{Options: collect.Options{Warn: func(error) {}}}
	lock, err := lockAfter(t, up, f, o, stores)
	if err != nil || len(lock.Sources) != 0 {
		t.Fatalf("an untidy project was locked: %v\n%s", err, lock.Format())
	}
	sum := mustSums(t, tree, "example.com/a@v1.0.0")
	if err := os.WriteFile("p/go.sum", []byte(sum), 0o644); err != nil {
		t.Fatal(err)
	}
	if lock, err = lockAfter(t, up, f, o, stores); err != nil || len(lock.Sources) != 1 {
		t.Fatalf("a tidy project was not locked: %v\n%s", err, lock.Format())
	}
	o.Lock = lock
	if err := os.WriteFile("p/go.mod", []byte("module corp.example/p\n\ngo 1.24\n\nrequire example.com/a v1.1.0\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile("p/go.sum", []byte(mustSums(t, tree, "example.com/a@v1.1.0")), 0o644); err != nil {
		t.Fatal(err)
	}
	changed, err := lockAfter(t, up, f, o, stores)
	if err != nil || len(changed.Sources) != 1 || changed.Sources[0].Needs[0].Module.Version != "v1.1.0" {
		t.Errorf("after a change: %v\n%s", err, changed.Format())
	}
}

// mustSums returns the lines of a go.sum for a version, as Run finds them.
func mustSums(t *testing.T, tree upstreamtest.Tree, version string) string {
	t.Helper()
	path, v, _ := strings.Cut(version, "@")
	m := module.Version{Path: path, Version: v}
	var got requirement.Sums
	_, err := Run(t.Context(), []requirement.Requirement{{Module: m}}, Options{
		Stores: openStores(t, "oci:"+filepath.Join(t.TempDir(), "store")), Upstream: collecttest.NewUpstream(t, tree.URL()),
		Report: func(e Event) { got = e.Got },
	})
	if err != nil || got.Zip == "" {
		t.Fatal(err, got)
	}
	return path + " " + v + " " + got.Zip + "\n" + path + " " + v + "/go.mod " + got.GoMod + "\n"
}

func TestContentThatIsNotWhatWasLockedEndsTheRun(t *testing.T) {
	m := module.Version{Path: "example.com/a", Version: "v1.0.0"}
	lock := &mirrorfile.Lock{
		Sources: []mirrorfile.Locked{{ID: "module example.com/a@latest", Needs: []requirement.Requirement{{Module: m}}}},
		Sums:    map[module.Version]requirement.Sums{m: {Zip: upstreamtest.SumA}},
	}
	f := parseMirrorFile(t, "version: 1\nmodules: [example.com/a@latest]\n")
	up := collecttest.NewUpstream(t, upstreamtest.NewTree(t, m.String()).URL())
	stores := "oci:" + filepath.Join(t.TempDir(), "store")
	for _, tt := range []struct {
		name  string
		where string
	}{
		{"upstream", "the zip of upstream"},
		{"in the store", "the zip of oci:"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := lockAfter(t, up, f, collect.FileOptions{Lock: lock}, stores)
			var locked *LockError
			if !errors.Is(err, ErrLocked) || !errors.Is(err, upstream.ErrChecksum) || !errors.As(err, &locked) {
				t.Fatalf("got %v", err)
			}
			if !strings.Contains(err.Error(), m.String()) || locked.Want != upstreamtest.SumA {
				t.Errorf("%v", err)
			}
			if _, err := Run(t.Context(), []requirement.Requirement{{Module: m}}, Options{Stores: openStores(t, stores), Upstream: up}); err != nil {
				t.Fatal(err) // for the next case
			}
		})
	}
}
