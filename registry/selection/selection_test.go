package selection_test

import (
	"slices"
	"strings"
	"testing"

	"golang.org/x/mod/module"

	"github.com/modferry/modferry/artifact/artifacttest"
	"github.com/modferry/modferry/artifact/sign/signtest"
	"github.com/modferry/modferry/registry/ocilayout"
	"github.com/modferry/modferry/registry/requirement"
	"github.com/modferry/modferry/registry/selection"
	"github.com/modferry/modferry/registry/transfer/transfertest"
)

func TestList(t *testing.T) {
	s, err := ocilayout.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	log := transfertest.NewLog(t)
	transfertest.Everything(t, s, log, signtest.Signer(t, 0)) // in it are v1.2.3, which main means, and go.mod of v1.0.0
	var all []string
	for _, it := range transfertest.Items(t, s) {
		all = append(all, it.String())
	}
	heads := slices.IndexFunc(all, func(name string) bool { return strings.HasSuffix(name, ":latest") })
	if heads < 2 || len(all) != heads+7 {
		t.Fatalf("the store has %v", all)
	}
	newest, index := all[heads-1:heads+1], all[len(all)-1]
	lib := func(tags ...string) (names []string) {
		for _, tag := range tags {
			names = append(names, "corp.example/lib_u:"+tag)
		}
		return names
	}
	for _, test := range []struct {
		name     string
		selected selection.Selection
		want     []string
		missing  []string
	}{
		{
			name: "everything, whatever it is",
			want: all,
		},
		{
			name:     "everything but the names of all modules",
			selected: selection.Selection{NoIndex: true},
			want:     all[:len(all)-1],
		},
		{
			name:     "what matches, with its evidence, the revisions that mean it, and the newest snapshot",
			selected: selection.Selection{Match: func(m module.Version) bool { return m == artifacttest.Version }},
			want:     slices.Concat(newest, lib("sumdb-v1.2.3", "v1.2.3", "rev-main"), []string{index}),
		},
		{
			name: "versions that are named, and no revisions that mean others",
			selected: selection.Selection{NoIndex: true, Versions: []requirement.Requirement{
				{Module: artifacttest.Later("v1.0.0"), ModOnly: true, From: "go.sum:1"},
			}},
			want: slices.Concat(newest, lib("sumdb-v1.0.0", "v1.0.0.mod")),
		},
		{
			name: "what lacks, is named: a module, a version, and more of one than its go.mod",
			selected: selection.Selection{NoIndex: true, Versions: []requirement.Requirement{
				{Module: artifacttest.Later("v1.0.0"), From: "go.sum:1"},
				{Module: artifacttest.Later("v9.0.0")},
				{Module: module.Version{Path: "example.com/none", Version: "v1.0.0"}},
			}},
			want:    slices.Concat(newest, lib("sumdb-v1.0.0", "v1.0.0.mod")),
			missing: []string{"corp.example/Lib@v1.0.0", "corp.example/Lib@v9.0.0", "example.com/none@v1.0.0"},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			test.selected.Store, test.selected.Log = s, log.Log
			list, missing, err := test.selected.List(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			var got, lack []string
			for _, it := range list {
				got = append(got, it.String())
			}
			for _, r := range missing {
				lack = append(lack, r.Module.String())
			}
			if !slices.Equal(got, test.want) || !slices.Equal(lack, test.missing) {
				t.Errorf("selected are\n%s\nwant\n%s\nmissing are %v", strings.Join(got, "\n"), strings.Join(test.want, "\n"), lack)
			}
		})
	}
}
