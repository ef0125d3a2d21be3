package goproxy

import (
	"slices"
	"testing"

	"golang.org/x/mod/module"
)

func TestCompareModulesOrdersVersionsAsSemanticOnes(t *testing.T) {
	want := []module.Version{
		{Path: "example.com/a", Version: "v1.9.0"},
		{Path: "example.com/a", Version: "v1.10.0-rc.1"},
		{Path: "example.com/a", Version: "v1.10.0"},
		{Path: "example.com/a", Version: "v2.0.0+incompatible"},
		{Path: "example.com/b", Version: "v0.1.0"},
	}
	got := slices.Clone(want)
	slices.Reverse(got)
	slices.SortFunc(got, Compare)
	if !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}
