package proxyshim

import (
	"net/http"
	"strings"
	"testing"

	"golang.org/x/mod/module"

	"github.com/modferry/modferry/registry/storetest"
)

func TestAForeignTagDoesNotBlockLatest(t *testing.T) {
	e := newEnv(t)
	e.publish(content{m: lib})
	storetest.Image(t, e.store, lib.Path, "v9.9.9")
	storetest.Image(t, e.store, lib.Path, "v1.9.9")
	e.want("/example.com/lib/@latest", http.StatusOK, `"Version":"v1.2.3"`)
	if status, list := e.get("/example.com/lib/@v/list"); status != http.StatusOK || list != "v1.2.3\n" { // which go get goes by
		t.Errorf("list: %d %q", status, list)
	}
	for _, tag := range []string{"v9.9.9", "v1.9.9"} {
		if !strings.Contains(e.log.String(), "tag="+tag) {
			t.Errorf("nothing is said of %s:\n%s", tag, e.log)
		}
	}
	e.want("/example.com/lib/@v/v1.9.9.info", http.StatusForbidden, "SECURITY")
}

func TestOnlyForeignTagsHaveNoLatest(t *testing.T) {
	e := newEnv(t)
	storetest.Image(t, e.store, lib.Path, "v9.9.9")
	e.want("/example.com/lib/@latest", http.StatusForbidden, "SECURITY")
	e.want("/example.com/lib/@v/list", http.StatusOK, "v9.9.9")
}

func TestAnUnsignedVersionIsNotPassedOverForLatest(t *testing.T) {
	e := newEnv(t)
	e.publish(content{m: lib})
	e.publishAs(content{m: module.Version{Path: lib.Path, Version: "v1.9.0"}}, nil)
	e.want("/example.com/lib/@latest", http.StatusForbidden, "not signed")
}
