package gocmd

import (
	"os"
	"path/filepath"
	"testing"
)

func TestAFenceStaysAsItIs(t *testing.T) {
	apart(t)
	c := newCmd(t, Options{})
	name := filepath.Join(c.scratch, "go.mod")
	before, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	for _, toolchain := range []string{"local", "auto"} { // auto could switch, but has nothing to fetch from
		if _, err := c.With("GOFLAGS=-mod=mod", "GOTOOLCHAIN="+toolchain).Run(t.Context(), c.scratch, "list", "-m", "all"); err != nil {
			t.Errorf("GOTOOLCHAIN=%s: %v", toolchain, err)
		}
	}
	if after, err := os.ReadFile(name); err != nil || string(after) != string(before) {
		t.Errorf("%q became %q, %v", before, after, err)
	}
}
