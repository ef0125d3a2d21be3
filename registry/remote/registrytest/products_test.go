package registrytest

import (
	"io"
	"net/http"
	"strings"
	"testing"
)

const (
	image = `{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json"}`
	blob  = "blobs/sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"
)

// request returns status and body of an answer about the repository golang/a.
func request(t *testing.T, r *Registry, method, path string) (status int, body string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, r.URL+"/v2/golang/"+path, strings.NewReader("{}"))
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(data)
}

func TestFaultsAnswerAsTheProductsThatTheyAreNamedAfter(t *testing.T) {
	type answer struct {
		method, path string
		status       int
		body         string
	}
	for name, test := range map[string]struct {
		fault   Fault
		answers []answer
	}{
		"Harbor without the right": {HarborRightMissing("push"), []answer{
			{"GET", "a/manifests/v1.0.0", 200, "schemaVersion"},
			{"POST", "a/blobs/uploads/", 401, "action: push"},
		}},
		"Harbor full": {HarborQuotaExceeded(), []answer{
			{"GET", "a/manifests/v1.0.0", 200, "schemaVersion"},
			{"POST", "a/blobs/uploads/", 403, "will exceed the configured upper limit"},
		}},
		"Harbor read-only": {HarborReadOnly(), []answer{{"PUT", "a/manifests/v2.0.0", 403, "read only mode"}}},
		"Harbor wants signatures": {HarborUnsigned(), []answer{
			{"GET", "a/manifests/v1.0.0", 412, "PROJECTPOLICYVIOLATION"},
			{"HEAD", "a/manifests/v1.0.0", 412, ""},
			{"GET", "a/manifests/v1.1.0", 200, "schemaVersion"},
			{"GET", "a/manifests/v9.9.9", 404, "MANIFEST_UNKNOWN"},
		}},
		"a cache without its upstream": {CacheWithoutUpstream("v1.0.0"), []answer{
			{"GET", "a/manifests/v1.0.0", 200, "schemaVersion"},
			{"GET", "a/manifests/v1.1.0", 404, "MANIFEST_UNKNOWN"},
			{"GET", "a/" + blob, 500, "UNKNOWN"},
			{"GET", "a/tags/list", 200, `["v1.0.0"]`},
		}},
		"a cache that has nothing": {CacheWithoutUpstream(), []answer{{"GET", "a/tags/list", 404, "NAME_UNKNOWN"}}},
		"a cache is not pushed to": {CacheTakesNothing(), []answer{{"POST", "a/blobs/uploads/", 405, "UNSUPPORTED"}}},
		"distribution 2.8 lists":   {UnsortedTags(), []answer{{"GET", "a/tags/list?n=1&last=v1.0.0", 200, `"v1.1.0","v1.0.0"`}}},
		"olareg lists the unknown": {EmptyTagsOfTheUnknown(), []answer{
			{"GET", "b/tags/list", 200, `"tags":[]`},
			{"GET", "a/tags/list", 200, "v1.1.0"},
		}},
		"zot after a deletion": {LastTagGone(), []answer{
			{"GET", "a/tags/list?n=1", 200, `["sha256-`},
			{"GET", "a/tags/list?n=1&last=v1.0.0", 404, ""},
		}},
	} {
		t.Run(name, func(t *testing.T) {
			r := New(t, Options{})
			r.SetManifest("golang/a", "v1.0.0", []byte(image))
			d := r.SetManifest("golang/a", "v1.1.0", []byte(image+" "))
			r.SetManifest("golang/a", "sha256-"+d.Encoded()+".sig", []byte(image+"\n"))
			r.Inject(test.fault)
			for _, want := range test.answers {
				status, body := request(t, r, want.method, want.path)
				if status != want.status || !strings.Contains(body, want.body) || want.body == "" && body != "" {
					t.Errorf("%s %s: %d %s; want %d and %q", want.method, want.path, status, body, want.status, want.body)
				}
			}
		})
	}
}

func TestGiteaFoldsTags(t *testing.T) {
	r := New(t, Options{FoldTags: true})
	r.SetManifest("golang/a", "v1.0.0-RC1", []byte(image))
	if status, _ := request(t, r, "GET", "a/manifests/v1.0.0-RC1"); status != http.StatusOK {
		t.Errorf("as it was put: %d", status)
	}
	if _, body := request(t, r, "GET", "a/tags/list"); !strings.Contains(body, `["v1.0.0-rc1"]`) {
		t.Errorf("listed: %s", body)
	}
}
