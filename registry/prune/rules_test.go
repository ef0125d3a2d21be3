package prune

import (
	"strings"
	"testing"

	"github.com/modferry/modferry/artifact/goproxy"
	"github.com/modferry/modferry/registry/inventory"
)

func TestTheNewestThatStay(t *testing.T) {
	for name, test := range map[string]struct {
		path     string
		keep     int
		drop     string
		versions string
		want     string
	}{
		"releases":                              {keep: 2, versions: "v1.2.0 v1.10.0 v1.9.0", want: "v1.9.0 v1.10.0"},
		"all":                                   {keep: 9, versions: "v1.2.0 v1.10.0", want: "v1.2.0 v1.10.0"},
		"none":                                  {keep: 0, versions: "v1.2.0 v1.10.0"},
		"releases before pre-releases":          {keep: 2, versions: "v1.0.0 v2.0.0-rc.1 v2.0.0-rc.2", want: "v1.0.0"},
		"pre-releases without releases":         {keep: 1, versions: "v2.0.0-rc.1 v2.0.0-rc.2 v0.0.0-20240102030405-0123456789ab", want: "v2.0.0-rc.2"},
		"pseudo-versions if there is only that": {keep: 1, versions: "v0.0.0-20230102030405-0123456789ab v0.0.0-20240102030405-0123456789ab", want: "v0.0.0-20240102030405-0123456789ab"},
		"incompatible ones are releases":        {keep: 1, versions: "v1.0.0 v2.0.0+incompatible", want: "v2.0.0+incompatible"},
		"go.mod alone does not count":           {keep: 1, versions: "v1.0.0 v2.0.0.mod", want: "v1.0.0"},
		"what is dropped does not count":        {keep: 1, drop: "example.com/m@>=v2", versions: "v1.0.0 v2.1.0+incompatible", want: "v1.0.0"},
		"toolchains are kept by platform":       {path: goproxy.ToolchainPath, keep: 1, versions: "v0.0.1-go1.26.2.linux-amd64 v0.0.1-go1.26.10.linux-amd64 v0.0.1-go1.25.1.darwin-arm64", want: "v0.0.1-go1.25.1.darwin-arm64 v0.0.1-go1.26.10.linux-amd64"},
		"of two forms of a version one row":     {keep: 1, versions: "v1.0.0 v1.0.0.mod", want: "v1.0.0"},
	} {
		r := Rules{Keep: test.keep}
		if test.path == "" {
			test.path = "example.com/m"
		}
		if test.drop != "" {
			p, err := goproxy.ParsePattern(test.drop)
			if err != nil {
				t.Fatal(err)
			}
			r.Drop = []Drop{{Pattern: p}}
		}
		var tags []inventory.Tag
		for v := range strings.FieldsSeq(test.versions) {
			tags = append(tags, inventory.Tag{Name: strings.ReplaceAll(v, "+", "_")})
		}
		list := versionsOf(test.path, tags)
		newest := r.newest(list)
		var got []string
		for _, v := range list {
			if newest[v.Version] {
				got = append(got, v.Version.Version)
			}
		}
		if strings.Join(got, " ") != test.want {
			t.Errorf("%s: %v, want %v", name, got, test.want)
		}
	}
}
