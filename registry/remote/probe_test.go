package remote

import (
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/modferry/modferry/registry"
	"github.com/modferry/modferry/registry/remote/registrytest"
)

func TestAProbeBeginsAnUploadAndCancelsIt(t *testing.T) {
	for name, test := range map[string]struct {
		fault *registrytest.Fault
		left  bool
		err   error
		hint  string
	}{
		"the account may push":           {},
		"a busy registry":                {fault: fault(registrytest.RateLimited(0).Times(2))},
		"the account lacks the right":    {fault: fault(registrytest.HarborRightMissing("push")), err: registry.ErrUnauthorized, hint: "action: push"},
		"read-only mode":                 {fault: fault(registrytest.HarborReadOnly()), err: registry.ErrReadOnly},
		"a pull-through cache":           {fault: fault(registrytest.CacheTakesNothing()), err: registry.ErrReadOnly, hint: "pull-through cache"},
		"no credential":                  {fault: fault(registrytest.Answer(http.StatusUnauthorized, "UNAUTHORIZED", "log in")), err: registry.ErrUnauthorized},
		"it cancels for others only":     {fault: fault(registrytest.Denied().On(http.MethodDelete, "")), left: true},
		"it cannot cancel":               {fault: fault(registrytest.Answer(http.StatusMethodNotAllowed, "UNSUPPORTED", "").On(http.MethodDelete, "")), left: true},
		"uploads go to another host":     {fault: fault(registrytest.UploadsElsewhere("https://uploads.example")), left: true},
		"repositories are not made here": {fault: fault(registrytest.NoRepositoryCreation()), err: registry.ErrDenied, hint: "create "},
	} {
		t.Run(name, func(t *testing.T) {
			reg, s := newRegistry(t, registrytest.Options{})
			if test.fault != nil {
				reg.Inject(*test.fault)
			}
			left, err := s.ProbePush(t.Context(), "sumdb/log")
			if left != test.left || !errors.Is(err, test.err) || err != nil && !strings.Contains(err.Error(), test.hint) {
				t.Errorf("left %v, %v; want %v, %v %s", left, err, test.left, test.err, test.hint)
			}
			want := 0
			if test.left {
				want = 1
			}
			if n := reg.OpenUploads(); n != want {
				t.Errorf("%d uploads are left", n)
			}
			for _, r := range reg.Requests() {
				if r.Method == http.MethodPut || r.Kind == registrytest.Other {
					t.Errorf("%s of %s", r.Method, r.Kind)
				}
			}
		})
	}
}
