package proxyshim

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"golang.org/x/mod/module"
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

func TestTheSaverTakesNoMoreThanItsBounds(t *testing.T) {
	s := newSaver()
	e := &entry{unsaved: &small{info: []byte("{}")}}
	for range maxUnsaved {
		if !s.take(e) {
			t.Fatal("refused")
		}
	}
	if s.take(e) {
		t.Error("took more than the queue holds")
	}
	s.close()
	s.run(func(module.Version) error { return nil })
	s.flush()

	s = newSaver()
	if s.take(&entry{unsaved: &small{gomod: make([]byte, maxUnsavedSize+1)}}) {
		t.Error("took something large")
	}
}

func TestALargeGoModIsServedToo(t *testing.T) {
	e := newEnv(t)
	c := content{m: lib, comment: strings.Repeat("// comment\n", maxUnsavedSize/5)}
	e.publish(c)
	for range 2 {
		if status, body := e.get(libURL + ".mod"); status != http.StatusOK || body != string(c.gomod()) {
			t.Errorf("%d, %d bytes", status, len(body))
		}
		e.restart()
	}
}

// flush waits until everything taken is saved.
func (s *saver) flush() { s.waiting.Wait() }
