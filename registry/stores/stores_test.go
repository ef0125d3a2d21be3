package stores

import (
	"errors"
	"strings"
	"testing"

	"github.com/modferry/modferry/registry"
	"github.com/modferry/modferry/registry/remote"
)

func TestOpenTellsDirectoriesFromRegistries(t *testing.T) {
	c, err := remote.NewClient(remote.ClientOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for _, ref := range []string{"oci:dir/a=b", "harbor.example/golang"} {
		s, err := Open(c, ref)
		if err != nil || s.String() != ref {
			t.Errorf("Open(%q) = %v, %v", ref, s, err)
		}
	}
	for _, ref := range []string{"oci:", "oci://dir"} {
		if _, err := Open(c, ref); !errors.Is(err, registry.ErrReference) || !strings.Contains(err.Error(), "oci:DIR") {
			t.Errorf("Open(%q): %v", ref, err)
		}
	}
}
