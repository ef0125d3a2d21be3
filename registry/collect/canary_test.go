package collect

import (
	"strings"
	"testing"

	"github.com/modferry/modferry/registry/collect/collecttest"
	"github.com/modferry/modferry/registry/redact"
	"github.com/modferry/modferry/registry/redact/redacttest"
)

func TestAURLInThePlaceOfAModuleIsNotShownInPart(t *testing.T) {
	for _, user := range redacttest.Users() {
		address := "https://" + user + "@proxy.example/x"
		up := collecttest.NewUpstream(t, "off")
		_, problems := Sources(t.Context(), up, []string{"-", address, address + "@latest"}, Options{
			Stdin: strings.NewReader(address + "\n" + address + " v1.0.0\n" + address + " a b\n"),
			Tools: []string{address, address + "@latest"},
		})
		if len(problems) == 0 {
			t.Fatal("no problems")
		}
		for _, err := range problems {
			redacttest.Check(t, redact.Text(err.Error())) // commands do that, which must be enough
		}
		if _, err := up.Resolve(t.Context(), "https://"+user, "proxy.example"); err == nil {
			t.Error("no error")
		} else {
			redacttest.Check(t, err.Error())
		}
	}
}
