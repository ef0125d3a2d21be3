package remote

import (
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/modferry/modferry/registry"
	"github.com/modferry/modferry/registry/remote/registrytest"
	"github.com/modferry/modferry/registry/storetest"
)

func TestDelete(t *testing.T) {
	policy := registrytest.Answer(http.StatusPreconditionFailed, "PRECONDITION", "matched the immutable rule")
	for name, test := range map[string]struct {
		fault   *registrytest.Fault
		allowed bool
		said    error // of the one deletion; nil = removed
		err     error // that ends it
		hint    string
	}{
		"allowed":           {allowed: true},
		"not enabled":       {err: registry.ErrUnsupported, hint: "REGISTRY_STORAGE_DELETE_ENABLED=true"},
		"no right to":       {allowed: true, fault: fault(registrytest.Denied().On(http.MethodDelete, "")), err: registry.ErrDenied},
		"an immutable tag":  {allowed: true, fault: &policy, said: registry.ErrPolicy, hint: "immutability rule"},
		"a busy registry":   {allowed: true, fault: fault(registrytest.RateLimited(0).On(http.MethodDelete, "").Times(2))},
		"a dead registry":   {allowed: true, fault: fault(registrytest.ServiceUnavailable().On(http.MethodDelete, "")), err: registry.ErrUnavailable},
		"read by nobody":    {allowed: true, fault: fault(registrytest.Answer(http.StatusPreconditionFailed, "PROJECTPOLICYVIOLATION", "vulnerable").For("v1.0.0"))},
		"an answer is lost": {allowed: true, fault: fault(registrytest.Answer(http.StatusNotFound, "MANIFEST_UNKNOWN", "").On(http.MethodDelete, ""))},
	} {
		t.Run(name, func(t *testing.T) {
			reg, s := newRegistry(t, registrytest.Options{AllowDelete: test.allowed})
			d, _ := storetest.Image(t, s, "a", "v1.0.0")
			if test.fault != nil {
				f := *test.fault
				if test.said != nil {
					f = f.On(http.MethodDelete, "")
				}
				reg.Inject(f)
			}
			var said []error
			err := s.Delete(t.Context(), []registry.Deletion{{Repository: "a", Tag: "v1.0.0", Digest: d.Digest}}, func(_ registry.Deletion, err error) { said = append(said, err) })
			if !errors.Is(err, test.err) || test.err == nil && (err != nil || len(said) != 1 || !errors.Is(said[0], test.said)) {
				t.Fatalf("%v, said %v", err, said)
			}
			if text := errors.Join(append(said, err)...); test.hint != "" && !strings.Contains(text.Error(), test.hint) {
				t.Errorf("no hint: %v", text)
			}
			if gone := reg.Manifest("golang/a", "v1.0.0") == nil; gone != (test.err == nil && test.said == nil && name != "an answer is lost") {
				t.Errorf("gone: %v", gone)
			}
		})
	}
}

func fault(f registrytest.Fault) *registrytest.Fault { return &f }

func TestDeleteLeavesWhatIsNotWhatWasPlanned(t *testing.T) {
	reg, s := newRegistry(t, registrytest.Options{AllowDelete: true})
	d, raw := storetest.Image(t, s, "a", "v1.0.0")
	reg.SetManifest("golang/a", "v2.0.0", append(raw, '\n'))
	var said []error
	err := s.Delete(t.Context(), []registry.Deletion{
		{Repository: "a", Tag: "v2.0.0", Digest: d.Digest}, {Repository: "a", Tag: "v3.0.0", Digest: d.Digest}, {Repository: "none", Tag: "v1.0.0", Digest: d.Digest},
	}, func(_ registry.Deletion, err error) { said = append(said, err) })
	if err != nil || len(said) != 3 || !errors.Is(said[0], registry.ErrTagExists) || !errors.Is(said[1], registry.ErrNotFound) || !errors.Is(said[2], registry.ErrNotFound) {
		t.Errorf("%v, said %v", err, said)
	}
	if reg.Count(http.MethodDelete, "") != 0 || reg.Manifest("golang/a", "v1.0.0") == nil {
		t.Error("something was removed")
	}
}

func TestResolveAsksWithHEAD(t *testing.T) {
	reg, s := newRegistry(t, registrytest.Options{})
	d, _ := storetest.Image(t, s, "a", "v1.0.0")
	reg.Reset()
	got, err := s.Resolve(t.Context(), "a", "v1.0.0")
	if err != nil || got.Digest != d.Digest || got.Size != d.Size || len(reg.Requests()) != 1 || reg.Count(http.MethodHead, registrytest.Manifest) != 1 {
		t.Errorf("%v, %v, requests %v", got, err, reg.Requests())
	}
	if _, err := s.Resolve(t.Context(), "a", "v2.0.0"); !errors.Is(err, registry.ErrNotFound) {
		t.Error(err)
	}
	// A reason is only in the answer to GET, and some registries do not answer HEAD.
	for _, f := range []registrytest.Fault{registrytest.Answer(http.StatusMethodNotAllowed, "", ""), registrytest.HTMLNotFound()} {
		reg.Inject(f.On(http.MethodHead, registrytest.Manifest))
		if got, err := s.Resolve(t.Context(), "a", "v1.0.0"); err != nil || got.Digest != d.Digest {
			t.Errorf("%v, %v", got, err)
		}
		reg.Heal()
	}
	reg.Inject(registrytest.Answer(http.StatusPreconditionFailed, "PROJECTPOLICYVIOLATION", "current image with 1 vulnerabilities").For("v1.0.0"))
	if _, err := s.Resolve(t.Context(), "a", "v1.0.0"); !errors.Is(err, registry.ErrPolicy) || !strings.Contains(err.Error(), "1 vulnerabilities") {
		t.Error(err)
	}
}
