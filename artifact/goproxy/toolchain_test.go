package goproxy

import (
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
