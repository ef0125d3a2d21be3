package goproxy

import (
	"reflect"
	"slices"
	"testing"
)

func TestNewestToolchain(t *testing.T) {
	list := []string{
		"v0.0.1-go1.25.1.linux-amd64", "v0.0.1-go1.25.2.linux-amd64", "v0.0.1-go1.25.1.windows-amd64", "v0.0.1-go1.25.3.plan9-386",
		"v0.0.1-go1.26rc1.linux-amd64", "v0.0.1-go1.26rc2.linux-amd64", "v0.0.1-nonsense", "v1.0.0",
	}
	const linux, windows = "linux/amd64", "windows/amd64"
	for _, tt := range []struct {
		name, least string
		platforms   []string
		release     string
		at          []string
	}{
		{"the newest patch", "go1.25", []string{linux}, "go1.25.2", []string{linux}},
		{"one for all platforms", "go1.25", []string{linux, windows}, "go1.25.1", []string{linux, windows}},
		{"no older than demanded", "go1.25.2", []string{linux, windows}, "go1.25.2", []string{linux}},
		{"no pre-release of all releases", "", []string{linux}, "go1.25.2", []string{linux}},
		{"a pre-release if there is nothing else", "go1.26", []string{linux}, "go1.26rc2", []string{linux}},
		{"none of another language version", "go1.24", []string{linux}, "", nil},
		{"none for a platform", "go1.25", []string{"aix/ppc64"}, "", nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			release, at := NewestToolchain(list, tt.least, tt.platforms)
			if release != tt.release || !slices.Equal(at, tt.at) {
				t.Errorf("got %s for %v, want %s for %v", release, at, tt.release, tt.at)
			}
		})
	}
}

func TestGapsAreWhereANewerReleaseLacksForAPlatform(t *testing.T) {
	for name, tt := range map[string]struct {
		list []string
		want []ToolchainGap
	}{
		"nothing":                     {},
		"one platform":                {list: []string{"v0.0.1-go1.27.3.linux-amd64", "v0.0.1-go1.27.4.linux-amd64"}},
		"one release, two platforms":  {list: []string{"v0.0.1-go1.27.4.linux-amd64", "v0.0.1-go1.27.4.windows-amd64"}},
		"other language versions":     {list: []string{"v0.0.1-go1.26.8.linux-amd64", "v0.0.1-go1.27.4.windows-amd64"}},
		"a pre-release is not chosen": {list: []string{"v0.0.1-go1.27.3.linux-amd64", "v0.0.1-go1.27rc1.windows-amd64", "v0.0.1-go1.27.3.windows-amd64"}},
		"a newer one for another platform": {
			list: []string{
				"v0.0.1-go1.27.9.windows-amd64", "v0.0.1-go1.27.4.windows-amd64", "v0.0.1-go1.27.4.linux-arm64", "v0.0.1-go1.27.4.linux-amd64",
				"v0.0.1-go1.26.1.linux-amd64", "v0.0.1-go1.26.10.darwin-arm64", "v1.0.0",
			},
			want: []ToolchainGap{{"go1.26.10", []string{"linux/amd64"}}, {"go1.27.9", []string{"linux/amd64", "linux/arm64"}}},
		},
	} {
		if got := ToolchainGaps(tt.list); !reflect.DeepEqual(got, tt.want) {
			t.Errorf("%s: %v, want %v", name, got, tt.want)
		}
	}
}
