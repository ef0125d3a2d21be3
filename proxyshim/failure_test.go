package proxyshim

import (
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/modferry/modferry/artifact/sign"
	"github.com/modferry/modferry/proxyshim/events"
	"github.com/modferry/modferry/registry"
)

func TestFailuresAreReportedByKindAndNotLogged(t *testing.T) {
	for name, test := range map[string]struct {
		fault func(*http.Request) (*http.Response, error)
		path  string
		kind  events.Outcome // "" = no failure
		err   error
	}{
		"signed by nobody":   {nil, libURL + ".info", events.Refused, sign.ErrUnsigned},
		"registry denies it": {ociError(http.StatusForbidden, "DENIED", "no"), libURL + ".zip", events.Denied, registry.ErrDenied},
		"registry's policy":  {ociError(http.StatusPreconditionFailed, "PROJECTPOLICYVIOLATION", "no"), libURL + ".info", events.HeldBack, registry.ErrPolicy},
		"registry is down":   {down, libURL + ".mod", events.Unavailable, registry.ErrUnavailable},
		"absent":             {nil, "/example.com/other/@v/v1.0.0.info", "", nil},
	} {
		t.Run(name, func(t *testing.T) {
			var got []Failure // one request at a time is made
			e := newEnv(t, func(o *Options) { o.Failed = func(f Failure) { got = append(got, f) } })
			e.publishAs(content{m: lib}, nil)
			e.transport.inject(test.fault)
			e.get(test.path)
			if test.kind == "" {
				if len(got) > 0 {
					t.Errorf("reported %+v", got)
				}
				return
			}
			if len(got) != 1 || got[0].Kind != test.kind || got[0].Module != lib || !errors.Is(got[0].Err, test.err) {
				t.Errorf("reported %+v, want kind %s: %v", got, test.kind, test.err)
			}
			if log := e.log.String(); strings.Contains(log, "audit") || strings.Contains(log, "request failed") {
				t.Errorf("logged as well:\n%s", log)
			}
		})
	}
}
