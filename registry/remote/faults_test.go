package remote

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/modferry/modferry/artifact"
	"github.com/modferry/modferry/registry"
	"github.com/modferry/modferry/registry/httpclient"
	"github.com/modferry/modferry/registry/remote/registrytest"
	"github.com/modferry/modferry/registry/storetest"
)

func TestFaultsWhenReadingAManifest(t *testing.T) {
	for name, test := range map[string]struct {
		fault    registrytest.Fault
		want     error // nil: none of the sentinels
		requests int
		text     string
	}{
		"project missing":   {registrytest.HarborProjectMissing(), registry.ErrUnauthorized, 1, "project golang not found"},
		"denied":            {registrytest.Denied(), registry.ErrDenied, 1, "requested access"},
		"policy":            {registrytest.HarborPolicyViolation(), registry.ErrPolicy, 1, "2 vulnerabilities"},
		"scan never ends":   {registrytest.HarborPendingScan(), registry.ErrPolicy, 9, `"Pending" status`},
		"rate limited":      {registrytest.RateLimited(time.Hour), registry.ErrUnavailable, 5, "rate limit"},
		"internal error":    {registrytest.InternalError(), registry.ErrUnavailable, 5, "500"},
		"unavailable":       {registrytest.ServiceUnavailable(), registry.ErrUnavailable, 5, "503"},
		"truncated":         {registrytest.TruncatedBody(), registry.ErrUnavailable, 5, "unexpected EOF"},
		"too short":         {registrytest.WrongContentLength(), registry.ErrCorrupt, 2, "came as sha256:"},
		"rotten":            {registrytest.WrongDigestBody(), registry.ErrCorrupt, 2, "came as sha256:"},
		"huge":              {registrytest.HugeManifest(false), artifact.ErrLimit, 1, "bytes"},
		"huge and chunked":  {registrytest.HugeManifest(true), artifact.ErrLimit, 1, "bytes"},
		"web server":        {registrytest.HTMLNotFound(), nil, 1, "a registry?"},
		"gateway":           {registrytest.Answer(http.StatusNotFound, "", "no route"), nil, 1, "a registry?"},
		"other 404":         {registrytest.Answer(http.StatusNotFound, "WHATEVER", "odd"), nil, 1, "odd"},
		"teapot":            {registrytest.Answer(http.StatusTeapot, "TEAPOT", "short and stout"), nil, 1, "short and stout"},
		"no content":        {registrytest.Answer(http.StatusNoContent, "", ""), nil, 1, "204"},
		"part of it":        {registrytest.Answer(http.StatusPartialContent, "", ""), nil, 1, "206"},
		"manifest unknown":  {registrytest.Answer(http.StatusNotFound, "MANIFEST_UNKNOWN", ""), registry.ErrNotFound, 1, "404"},
		"name unknown":      {registrytest.Answer(http.StatusNotFound, "NAME_UNKNOWN", ""), registry.ErrNotFound, 1, "404"},
		"harbor's unknown":  {registrytest.Answer(http.StatusNotFound, "NOT_FOUND", "artifact not found"), registry.ErrNotFound, 1, "artifact not found"},
		"method refused":    {registrytest.Answer(http.StatusMethodNotAllowed, "UNSUPPORTED", ""), registry.ErrUnsupported, 1, "405"},
		"very long message": {registrytest.Answer(http.StatusForbidden, "DENIED", strings.Repeat("x", 60_000)), registry.ErrDenied, 1, "xxx"},
	} {
		t.Run(name, func(t *testing.T) {
			reg, s := newRegistry(t, registrytest.Options{})
			storetest.Image(t, s, "a", "v1")
			reg.Reset()
			reg.Inject(test.fault.On(http.MethodGet, registrytest.Manifest))
			_, _, err := s.Manifest(t.Context(), "a", "v1")
			storetest.WantMeaning(t, err, test.want)
			if n := len(reg.Requests()); n != test.requests {
				t.Errorf("%d requests, want %d", n, test.requests)
			}
			var e *registry.Error
			if !errors.As(err, &e) || e.Registry != reg.Host() || e.Repository != "golang/a" || e.Reference != "v1" {
				t.Fatalf("%#v does not say where", e)
			}
			text := err.Error()
			if !strings.HasPrefix(text, "reading manifest "+reg.Host()+"/golang/a:v1: ") || !strings.Contains(text, test.text) {
				t.Errorf("error is %q, want %q in it", text, test.text)
			}
			if len(text) > 1500 {
				t.Errorf("error has %d characters", len(text))
			}
		})
	}
}

func TestPassingFaultsAreNotSeen(t *testing.T) {
	for name, fault := range map[string]registrytest.Fault{
		"scan pending":   registrytest.HarborPendingScan().Times(8),
		"rate limited":   registrytest.RateLimited(time.Hour).Times(4),
		"internal error": registrytest.InternalError().Times(4),
		"unavailable":    registrytest.ServiceUnavailable().Times(4),
		"truncated":      registrytest.TruncatedBody().Times(4),
		"rotten once":    registrytest.WrongDigestBody().Times(1),
	} {
		t.Run(name, func(t *testing.T) {
			reg, s := newRegistry(t, registrytest.Options{})
			want, _ := storetest.Image(t, s, "a", "v1")
			reg.Inject(fault)
			if got, _, err := s.Manifest(t.Context(), "a", "v1"); err != nil || got.Digest != want.Digest {
				t.Errorf("%v, %v; want %v", got, err, want)
			}
		})
	}
}

func TestNoRetriesWhenToldSo(t *testing.T) {
	reg := registrytest.New(t, registrytest.Options{})
	s := open(t, newClient(t, ClientOptions{Retries: -1}), reg.Host()+"/golang")
	reg.Inject(registrytest.InternalError())
	_, _, err := s.Manifest(t.Context(), "a", "v1")
	storetest.WantMeaning(t, err, registry.ErrUnavailable)
	if n := len(reg.Requests()); n != 1 {
		t.Errorf("%d requests, want 1", n)
	}
}

func TestRegistryThatIsDown(t *testing.T) {
	reg, s := newRegistry(t, registrytest.Options{})
	d, _ := storetest.Image(t, s, "a", "v1")
	reg.Close()
	_, _, err := s.Manifest(t.Context(), "a", "v1")
	storetest.WantMeaning(t, err, registry.ErrUnavailable)
	if !strings.Contains(err.Error(), reg.Host()) {
		t.Errorf("%q does not name the registry", err)
	}
	_, err = s.Blob(t.Context(), "a", d)
	storetest.WantMeaning(t, err, registry.ErrUnavailable)
	storetest.WantMeaning(t, s.PushBlob(t.Context(), "a", artifact.NewBlob("text/plain", []byte("x"))), registry.ErrUnavailable)
	storetest.WantMeaning(t, storetest.OnlyError(t, s.Tags(t.Context(), "a")), registry.ErrUnavailable)
}

func TestRegistryThatIsSlow(t *testing.T) {
	for name, fault := range map[string]registrytest.Fault{
		"before its answer": registrytest.SlowHeaders(),
		"in its answer":     registrytest.SlowBody(),
	} {
		t.Run(name, func(t *testing.T) {
			reg, patient := newRegistry(t, registrytest.Options{})
			blob := artifact.NewBlob("text/plain", []byte("some content"))
			storetest.Image(t, patient, "a", "v1")
			if err := patient.PushBlob(t.Context(), "a", blob); err != nil {
				t.Fatal(err)
			}
			s := open(t, newClient(t, ClientOptions{HeaderTimeout: 20 * time.Millisecond, Retries: 1}), reg.Host()+"/golang")
			reg.Inject(fault.On(http.MethodGet, ""))
			_, _, err := s.Manifest(t.Context(), "a", "v1")
			storetest.WantMeaning(t, err, registry.ErrUnavailable)
			if !errors.Is(err, httpclient.ErrStalled) {
				t.Errorf("%v; want that it stopped answering", err)
			}
			_, err = storetest.FetchBlob(t.Context(), s, blob)
			storetest.WantMeaning(t, err, registry.ErrUnavailable)
		})
	}
}

func TestCancelledRequestIsNotAFailureOfTheRegistry(t *testing.T) {
	reg, s := newRegistry(t, registrytest.Options{})
	reg.Inject(registrytest.InternalError())
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, _, err := s.Manifest(ctx, "a", "v1")
	storetest.WantMeaning(t, err, nil)
	if !errors.Is(err, context.Canceled) {
		t.Errorf("%v; want cancelled", err)
	}
}

func TestCancellingEndsTheWaitForARetry(t *testing.T) {
	reg := registrytest.New(t, registrytest.Options{})
	ctx, cancel := context.WithCancel(t.Context())
	c := newClient(t, ClientOptions{MinBackoff: time.Hour, MaxBackoff: time.Hour})
	s := open(t, c, reg.Host()+"/golang")
	reg.Inject(registrytest.InternalError())
	done := make(chan error)
	go func() {
		_, _, err := s.Manifest(ctx, "a", "v1")
		done <- err
	}()
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Error("no error")
	}
}

func TestFaultsWhenReadingABlob(t *testing.T) {
	for name, test := range map[string]struct {
		fault registrytest.Fault
		want  error
	}{
		"truncated":    {registrytest.TruncatedBody(), registry.ErrUnavailable},
		"too short":    {registrytest.WrongContentLength(), registry.ErrCorrupt},
		"rotten":       {registrytest.WrongDigestBody(), registry.ErrCorrupt},
		"blob unknown": {registrytest.Answer(http.StatusNotFound, "BLOB_UNKNOWN", ""), registry.ErrNotFound},
		"web server":   {registrytest.HTMLNotFound(), nil},
		"unavailable":  {registrytest.ServiceUnavailable(), registry.ErrUnavailable},
	} {
		t.Run(name, func(t *testing.T) {
			reg, s := newRegistry(t, registrytest.Options{})
			blob := artifact.NewBlob("text/plain", []byte("some content"))
			if err := s.PushBlob(t.Context(), "a", blob); err != nil {
				t.Fatal(err)
			}
			reg.Inject(test.fault.On(http.MethodGet, registrytest.Blob))
			_, err := storetest.FetchBlob(t.Context(), s, blob)
			storetest.WantMeaning(t, err, test.want)
			if !strings.Contains(err.Error(), blob.Descriptor.Digest.String()) {
				t.Errorf("%q does not name the blob", err)
			}
		})
	}
}
