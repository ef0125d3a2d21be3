package requirement

import (
	"reflect"
	"testing"

	"golang.org/x/mod/module"
)

func TestASetHasEachVersionOnceInOrder(t *testing.T) {
	a, b := module.Version{Path: "example.com/a", Version: "v1.10.0"}, module.Version{Path: "example.com/a", Version: "v1.9.0"}
	s := make(Set)
	for _, r := range []Requirement{
		{Module: a, ModOnly: true, GoModSum: "h1:mod", Revisions: []string{"main"}, From: "go.sum:1"},
		{Module: b, ModOnly: true, From: "go.sum:2"},
		{Module: a, Sum: "h1:zip", Revisions: []string{"dev", "main"}, From: "go.sum:3"},
		{Module: a, From: "go.sum:4"},
	} {
		if other := s.Add(r); other != nil {
			t.Errorf("%v conflicts with %v", r, other)
		}
	}
	want := []Requirement{
		{Module: b, ModOnly: true, From: "go.sum:2"},
		{Module: a, Sum: "h1:zip", GoModSum: "h1:mod", Revisions: []string{"dev", "main"}, From: "go.sum:3"},
	}
	if got := s.Sorted(); !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestASetKeepsTheFirstOfTwoSums(t *testing.T) {
	m := module.Version{Path: "example.com/a", Version: "v1.0.0"}
	s := make(Set)
	s.Add(Requirement{Module: m, ModOnly: true, GoModSum: "h1:one", From: "first"})
	if other := s.Add(Requirement{Module: m, GoModSum: "h1:two", From: "second"}); other == nil || other.From != "first" {
		t.Errorf("no conflict: %v", other)
	}
	if got := s[m]; got.GoModSum != "h1:one" || !got.ModOnly {
		t.Errorf("it became %+v", got)
	}
}
