package audit

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/module"
	"oras.land/oras-go/v2/registry/remote/auth"

	"github.com/modferry/modferry/artifact/sign"
	"github.com/modferry/modferry/registry/remote"
	"github.com/modferry/modferry/registry/remote/registrytest"
	"github.com/modferry/modferry/registry/requirement"
	"github.com/modferry/modferry/registry/stores"
	"github.com/modferry/modferry/registry/verify"
)

func TestARegistryThatIsDownIsNotWaitedForByEveryVersion(t *testing.T) {
	client, err := remote.NewClient(remote.ClientOptions{
		MinBackoff: time.Microsecond, MaxBackoff: time.Millisecond,
		Credentials: func(context.Context, string) (auth.Credential, error) { return auth.EmptyCredential, nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	reg := registrytest.New(t, registrytest.Options{})
	reg.Inject(registrytest.ServiceUnavailable())
	router, err := stores.Route(client, reg.Host()+"/golang")
	if err != nil {
		t.Fatal(err)
	}
	var list []requirement.Requirement
	for i := range 100 {
		list = append(list, requirement.Requirement{Module: module.Version{Path: fmt.Sprintf("example.com/m%d", i), Version: "v1.0.0"}})
	}
	c := Checker{Checker: verify.Checker{Verifier: sign.SkipVerify{}}, Stores: router, Jobs: 2}
	last := ""
	for _, ch := range c.CheckAll(t.Context(), list) {
		v := <-ch
		if v.Outcome != Failed || !strings.Contains(v.Error, v.Module) {
			t.Errorf("%+v", v)
		}
		last = v.Error
	}
	asked := make(map[string]bool)
	for _, r := range reg.Requests() {
		asked[r.Repository] = true
	}
	if len(asked) > 20 || !strings.Contains(last, "not tried") {
		t.Errorf("asked for %d of %d versions; the last: %s", len(asked), len(list), last)
	}
	if err := router.Close(); err != nil {
		t.Error(err)
	}
}
