package proxyshim

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
)

func TestCloseSavesWhatIsWaiting(t *testing.T) {
	e := newEnv(t)
	const versions = 20
	for i := range versions {
		e.publish(content{m: version(i), modOnly: true})
	}
	ask := func() {
		for i := range versions {
			e.want(fmt.Sprintf("/example.com/big/@v/v1.0.%d.mod", i), http.StatusOK, "module")
		}
	}
	ask()
	e.restart()
	if got := e.requests(ask); len(got) > 0 {
		t.Errorf("requests after a restart: %v", got)
	}
}

func TestALargeGoModIsServedToo(t *testing.T) {
	e := newEnv(t)
	c := content{m: lib, comment: strings.Repeat("// comment\n", 20_000)}
	e.publish(c)
	for range 2 {
		if status, body := e.get(libURL + ".mod"); status != http.StatusOK || body != string(c.gomod()) {
			t.Errorf("%d, %d bytes", status, len(body))
		}
		e.restart()
	}
}
