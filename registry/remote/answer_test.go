package remote

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"unicode"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/modferry/modferry/registry"
)

// FuzzBadAnswer checks that nothing but a registry's own word makes an answer
// mean "does not exist", and that foreign text cannot harm a terminal.
func FuzzBadAnswer(f *testing.F) {
	f.Add(404, "application/json", "", `{"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown"}]}`)
	f.Add(404, "text/html", "", "<html>not found</html>")
	f.Add(404, "", "registry/2.0", "")
	f.Add(404, "application/json", "registry/2.0", `{"errors":[{"code":"not_found"}]}`)
	f.Add(412, "application/json", "", `{"errors":[{"code":"PROJECTPOLICYVIOLATION","message":"with \"Pending\" status of vulnerability scanning"}]}`)
	f.Add(500, "text/plain", "", "a\x1b[31mb")
	f.Fuzz(func(t *testing.T, status int, contentType, api, body string) {
		e := badAnswer(&http.Response{
			StatusCode: status,
			Header:     http.Header{"Content-Type": {contentType}, "Docker-Distribution-Api-Version": {api}},
			Body:       io.NopCloser(strings.NewReader(body)),
		})
		if errors.Is(e, registry.ErrNotFound) {
			var parsed struct{ Errors []struct{ Code string } }
			says := json.Unmarshal([]byte(body), &parsed) == nil && len(parsed.Errors) > 0 &&
				slices.Contains(absentCodes, e.Code)
			if status != http.StatusNotFound || !says && api == "" {
				t.Errorf("%d %q %q %q means absent", status, contentType, api, body)
			}
		}
		for _, r := range e.Error() {
			if !unicode.IsPrint(r) {
				t.Errorf("%q has %q in it", e.Error(), r)
			}
		}
	})
}

func FuzzChallenge(f *testing.F) {
	f.Add(`Bearer realm="https://harbor.example/service/token",service="harbor-registry",scope="repository:a/b:pull"`, "repository:a/b:pull")
	f.Add(`Basic realm="x"`, "registry:catalog:*")
	f.Add(`Bearer realm="%zz`, "::")
	f.Fuzz(func(t *testing.T, header, scope string) {
		c := newTokens()
		resp := &http.Response{StatusCode: http.StatusUnauthorized, Header: http.Header{"Www-Authenticate": {header}}}
		resp.Request, _ = http.NewRequest(http.MethodGet, "http://h/v2/", nil)
		c.observe(resp)
		_ = c.realmHost("h")
		key := c.key("h", scope)
		if key != scope && !strings.HasPrefix(scope, strings.SplitAfterN(key, ":", 3)[0]) {
			t.Errorf("scope %q is kept under %q", scope, key)
		}
	})
}

func TestUnusableDescriptorsAreRefused(t *testing.T) {
	s := open(t, newClient(t, ClientOptions{}), "registry.invalid/golang")
	for _, d := range []digest.Digest{"", "sha256:12", "md5:00", "../../etc/passwd"} {
		if _, err := s.Blob(t.Context(), "a", ocispec.Descriptor{Digest: d}); !errors.Is(err, registry.ErrReference) {
			t.Errorf("%q: %v; want a malformed reference", d, err)
		}
	}
}
