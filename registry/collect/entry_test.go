package collect

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"golang.org/x/mod/module"

	"github.com/modferry/modferry/registry/requirement"
)

func TestWhatIsDeniedIsNamedInOrder(t *testing.T) {
	c := newCollector(nil, Options{})
	c.permits = func(m module.Version) error { return fmt.Errorf("no %s", m) }
	var want []string
	for i := range 50 {
		m := module.Version{Path: fmt.Sprintf("example.com/m%02d", i), Version: "v1.0.0"}
		c.items = append(c.items, requirement.Requirement{Module: m, From: "list"})
		want = append(want, "list: no "+m.String())
	}
	c.merge()
	var got []string
	for _, err := range c.problems {
		got = append(got, err.Error())
	}
	if !slices.Equal(got, want) || len(c.items) > 0 {
		t.Errorf("got %v, %v", errors.Join(c.problems...), c.items)
	}
}
