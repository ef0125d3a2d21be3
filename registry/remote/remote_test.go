package remote

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	orasremote "oras.land/oras-go/v2/registry/remote"

	"github.com/modferry/modferry/artifact"
	"github.com/modferry/modferry/registry"
	"github.com/modferry/modferry/registry/remote/registrytest"
	"github.com/modferry/modferry/registry/storetest"
)

func TestManifestsAndBlobsComeBackAsPushed(t *testing.T) {
	reg, s := newRegistry(t, registrytest.Options{})
	want, raw := storetest.Image(t, s, "a", "v1")
	for _, ref := range []string{"v1", want.Digest.String()} {
		d, got, err := s.Manifest(t.Context(), "a", ref)
		if err != nil || d.Digest != want.Digest || d.Size != want.Size || d.MediaType != want.MediaType || !bytes.Equal(got, raw) {
			t.Errorf("Manifest(%s) = %v, %q, %v", ref, d, got, err)
		}
	}
	blob := artifact.NewBlob("text/plain", []byte("some content"))
	if err := s.PushBlob(t.Context(), "a", blob); err != nil {
		t.Fatal(err)
	}
	if got, err := storetest.FetchBlob(t.Context(), s, blob); err != nil || string(got) != "some content" {
		t.Errorf("blob is %q, %v", got, err)
	}
	if n := reg.Count(http.MethodHead, registrytest.Blob); n != 0 {
		t.Errorf("%d HEAD requests for blobs, want none", n)
	}
}

func TestPushByDigestTagsNothing(t *testing.T) {
	reg, s := newRegistry(t, registrytest.Options{})
	storetest.Image(t, s, "a", "")
	if tags := reg.Tags("golang/a"); len(tags) != 0 {
		t.Errorf("tags are %v", tags)
	}
}

func TestBlobPushIsRepeatedWithAFreshBody(t *testing.T) {
	for name, fault := range map[string]registrytest.Fault{
		"at the start":  registrytest.ServiceUnavailable().On(http.MethodPost, registrytest.Upload),
		"in the upload": registrytest.InternalError().On(http.MethodPut, registrytest.Upload),
		"rate limited":  registrytest.RateLimited(time.Hour).On(http.MethodPut, registrytest.Upload),
		"upload lost":   registrytest.Answer(http.StatusNotFound, "BLOB_UPLOAD_UNKNOWN", "").On(http.MethodPut, registrytest.Upload),
	} {
		t.Run(name, func(t *testing.T) {
			reg, s := newRegistry(t, registrytest.Options{})
			blob := artifact.NewBlob("text/plain", []byte(strings.Repeat("content", 100_000)))
			reg.Inject(fault.Times(3))
			if err := s.PushBlob(t.Context(), "a", blob); err != nil {
				t.Fatal(err)
			}
			if _, err := storetest.FetchBlob(t.Context(), s, blob); err != nil {
				t.Error(err)
			}
			reg.Inject(fault)
			storetest.WantMeaning(t, s.PushBlob(t.Context(), "a", blob), registry.ErrUnavailable)
		})
	}
}

func TestBrokenContentIsNotTheRegistrysFault(t *testing.T) {
	reg, s := newRegistry(t, registrytest.Options{})
	broken := errors.New("disk on fire")
	d := artifact.NewBlob("text/plain", []byte("some content")).Descriptor
	err := s.Backend.(*remote).do(t.Context(), "pushing blob", "a", "", func(o *orasremote.Repository) error {
		return o.Blobs().Push(t.Context(), d, pushBody{io.NopCloser(iotest.ErrReader(broken))})
	})
	storetest.WantMeaning(t, err, nil)
	if !errors.Is(err, broken) || !errors.Is(err, errContent) {
		t.Errorf("%v; want the error of the content", err)
	}
	if n := reg.Count(http.MethodPost, registrytest.Upload); n != 1 {
		t.Errorf("%d uploads were begun, want that nothing is tried again", n)
	}
}

func TestPushRefused(t *testing.T) {
	reg, s := newRegistry(t, registrytest.Options{})
	d, raw := storetest.Image(t, s, "a", "v1")
	reg.Inject(registrytest.HarborImmutableTag())
	storetest.WantMeaning(t, s.PushManifest(t.Context(), "a", d, raw, "v1"), registry.ErrPolicy)
	if err := s.PushManifest(t.Context(), "a", d, raw, "v2"); err != nil {
		t.Error(err)
	}
	reg.Inject(registrytest.Denied())
	storetest.WantMeaning(t, s.PushManifest(t.Context(), "a", d, raw, "v3"), registry.ErrDenied)
	storetest.WantMeaning(t, s.PushBlob(t.Context(), "a", artifact.NewBlob("text/plain", []byte("x"))), registry.ErrDenied)
}

func TestTagsOfAllPages(t *testing.T) {
	reg, s := newRegistry(t, registrytest.Options{PageSize: 3})
	var want []string
	for i := range 10 {
		want = append(want, fmt.Sprintf("v1.%d.0", i))
		storetest.Image(t, s, "a", want[i])
	}
	reg.Reset()
	reg.Inject(registrytest.TruncatedBody().Times(1)) // of the first page
	var got []string
	for tag, err := range s.Tags(t.Context(), "a") {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, tag)
	}
	if !slices.Equal(got, want) {
		t.Errorf("tags are %v, want %v", got, want)
	}
	if n := len(reg.Requests()); n != 1+4 {
		t.Errorf("%d requests, want one that fails and four pages", n)
	}
}

func TestTagsOfAnUnknownRepository(t *testing.T) {
	_, s := newRegistry(t, registrytest.Options{})
	storetest.WantMeaning(t, storetest.OnlyError(t, s.Tags(t.Context(), "a")), registry.ErrNotFound)
}

func TestTagListsOfAnotherOriginOrWithoutSenseAreRefused(t *testing.T) {
	for name, body := range map[string]http.HandlerFunc{
		"foreign page": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Link", `<http://evil.example/v2/golang/a/tags/list>; rel="next"`)
			io.WriteString(w, `{"tags":["v1"]}`)
		},
		"no JSON": func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "<html>") },
	} {
		t.Run(name, func(t *testing.T) {
			server := newServer(t, body)
			s := open(t, newClient(t, ClientOptions{}), server+"/golang")
			storetest.WantMeaning(t, storetest.OnlyError(t, s.Tags(t.Context(), "a")), registry.ErrCorrupt)
		})
	}
}

func TestEndlessListingIsCut(t *testing.T) {
	var l listing
	if err := l.add([]string{long(maxRepository), long(maxRepository + 1)}); err != nil || len(l.names) != 1 {
		t.Errorf("%d names, %v; want none that is too long", len(l.names), err)
	}
	var err error
	for n := 0; err == nil && n <= maxPages+1; n++ {
		err = l.add(nil)
	}
	if !errors.Is(err, artifact.ErrLimit) {
		t.Errorf("%v; want a limit", err)
	}
}

func TestRepositoriesBelowTheNamespace(t *testing.T) {
	reg, s := newRegistry(t, registrytest.Options{PageSize: 2})
	c := newClient(t, ClientOptions{})
	storetest.Image(t, open(t, c, reg.Host()+"/golang2"), "other", "v1")
	storetest.Image(t, open(t, c, reg.Host()), "golang", "v1")
	for _, name := range []string{"a", "b/c", "d"} {
		storetest.Image(t, s, name, "v1")
	}
	var got []string
	for name, err := range s.Repositories(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, name)
	}
	if want := []string{"a", "b/c", "d"}; !slices.Equal(got, want) {
		t.Errorf("repositories are %v, want %v", got, want)
	}
}

func TestCatalogRefused(t *testing.T) {
	for name, test := range map[string]struct {
		fault registrytest.Fault
		want  error
	}{
		"not offered":  {registrytest.NoCatalog(), registry.ErrUnsupported},
		"web server":   {registrytest.HTMLNotFound(), registry.ErrUnsupported},
		"denied":       {registrytest.Denied(), registry.ErrDenied},
		"unauthorized": {registrytest.HarborProjectMissing(), registry.ErrDenied},
	} {
		t.Run(name, func(t *testing.T) {
			reg, s := newRegistry(t, registrytest.Options{})
			reg.Inject(test.fault)
			err := storetest.OnlyError(t, s.Repositories(t.Context()))
			if !errors.Is(err, test.want) || !strings.Contains(err.Error(), "name the modules") || !strings.Contains(err.Error(), "catalog") {
				t.Errorf("%v; want %v and what to do", err, test.want)
			}
		})
	}
}
