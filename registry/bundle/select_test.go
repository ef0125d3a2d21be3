package bundle

import (
	"slices"
	"strings"
	"testing"

	"golang.org/x/mod/module"

	"github.com/modferry/modferry/artifact/artifacttest"
	"github.com/modferry/modferry/artifact/sign/signtest"
	"github.com/modferry/modferry/artifact/sumdb"
	"github.com/modferry/modferry/artifact/sumdb/sumdbtest"
	"github.com/modferry/modferry/registry/requirement"
)

func TestSelection(t *testing.T) {
	s := filled(t, signtest.Signer(t, 0))
	log, err := sumdb.ParseLog(sumdbtest.Verifier)
	must(t, err)
	always := []string{"sumdb/sums.corp.example/log:head-700", "sumdb/sums.corp.example/log:latest"}
	index := "index:" + indexTag(t, s)
	for _, test := range []struct {
		name     string
		selected Selection
		want     []string // but for always
		missing  []string
	}{
		{
			name: "everything, whatever it is",
			want: []string{
				"sumdb/sums.corp.example/log:head-300", "corp.example/lib_u:v1.0.0.mod", "corp.example/lib_u:v1.2.3",
				"example.com/other:v0.1.0", "corp.example/lib_u:rev-main", index,
			},
		},
		{
			name:     "a pattern, with the revisions that mean its versions",
			selected: Selection{Match: func(m module.Version) bool { return m.Path == artifacttest.Version.Path && m.Version == "v1.2.3" }},
			want:     []string{"corp.example/lib_u:v1.2.3", "corp.example/lib_u:rev-main", index},
		},
		{
			name: "versions, and none of their revisions that mean others",
			selected: Selection{NoIndex: true, Versions: []requirement.Requirement{
				{Module: artifacttest.Later("v1.0.0"), ModOnly: true, From: "go.sum:1"},
			}},
			want: []string{"corp.example/lib_u:v1.0.0.mod"},
		},
		{
			name: "versions that the store lacks, or of which it has go.mod alone",
			selected: Selection{NoIndex: true, Versions: []requirement.Requirement{
				{Module: artifacttest.Later("v1.0.0"), From: "go.sum:1"},
				{Module: artifacttest.Later("v9.0.0")},
				{Module: module.Version{Path: "example.com/none", Version: "v1.0.0"}},
			}},
			want:    []string{"corp.example/lib_u:v1.0.0.mod"},
			missing: []string{"corp.example/Lib@v1.0.0", "corp.example/Lib@v9.0.0", "example.com/none@v1.0.0"},
		},
		{
			name:     "everything but the names of all modules",
			selected: Selection{NoIndex: true},
			want: []string{
				"sumdb/sums.corp.example/log:head-300", "corp.example/lib_u:v1.0.0.mod", "corp.example/lib_u:v1.2.3",
				"example.com/other:v0.1.0", "corp.example/lib_u:rev-main",
			},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			test.selected.Store, test.selected.Log = s, log
			list, missing, err := test.selected.List(t.Context())
			must(t, err)
			var got, lack []string
			for _, it := range list {
				if !slices.Contains(always, it.String()) {
					got = append(got, it.String())
				}
			}
			for _, r := range missing {
				lack = append(lack, r.Module.String())
			}
			if len(got) != len(list)-len(always) || !slices.Equal(got, test.want) || !slices.Equal(lack, test.missing) {
				t.Errorf("selected are\n%s\nwant\n%s\nmissing are %v", strings.Join(got, "\n"), strings.Join(test.want, "\n"), lack)
			}
		})
	}
}
