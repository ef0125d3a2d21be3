package proxyshim

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/mod/module"

	"github.com/modferry/modferry/artifact"
	"github.com/modferry/modferry/artifact/sign"
)

// pushSignatures stores a signature manifest for a version, with layers that are like those of others but for the
// last one, which is a good signature.
func (e *env) pushSignatures(a *artifact.Artifact, before int) {
	e.t.Helper()
	ctx := e.t.Context()
	repo, err := artifact.Repository(a.Manifest.Module.Path)
	check(e.t, err)
	good, err := e.signer.Sign(ctx, a.Descriptor.Digest, repo)
	check(e.t, err)
	image, err := sign.Append(nil, good)
	check(e.t, err)
	for _, b := range image.Blobs {
		check(e.t, e.store.PushBlob(ctx, repo, b))
	}
	var m ocispec.Manifest
	check(e.t, json.Unmarshal(image.Raw, &m))
	var layers []ocispec.Descriptor
	for i := range before { // as cosign writes them: the payload has to be fetched
		layer := m.Layers[0]
		payload := artifact.NewBlob(layer.MediaType, fmt.Appendf(nil, `{"n":%d}`, i))
		check(e.t, e.store.PushBlob(ctx, repo, payload))
		layer.Digest, layer.Size, layer.Data = payload.Descriptor.Digest, payload.Descriptor.Size, nil
		layers = append(layers, layer)
	}
	m.Layers = append(layers, m.Layers...)
	raw, err := json.Marshal(m)
	check(e.t, err)
	d := artifact.NewBlob(ocispec.MediaTypeImageManifest, raw).Descriptor
	check(e.t, e.store.PushManifest(ctx, repo, d, raw, sign.Tag(a.Descriptor.Digest)))
}

func TestAValidSignatureBehindTwentyOfOthersIsFound(t *testing.T) {
	e := newEnv(t)
	e.pushSignatures(e.publishAs(content{m: lib}, nil), 20)
	e.want(libURL+".zip", http.StatusOK, "PK")
}

func TestAThousandSignaturesAreNotRead(t *testing.T) {
	e := newEnv(t)
	e.pushSignatures(e.publishAs(content{m: lib}, nil), 1000)
	got := e.requests(func() { e.want(libURL+".info", http.StatusForbidden, "SECURITY: ") })
	if len(got) > 50 {
		t.Errorf("%d requests", len(got))
	}
	e.wantSecurity(libURL, "1001 signatures")
}

func TestTheSignatureOfAnotherManifestIsRefused(t *testing.T) {
	e := newEnv(t)
	other := e.publish(content{m: module.Version{Path: lib.Path, Version: "v1.2.2"}})
	evil := e.publishAs(content{m: lib, text: "evil"}, nil)
	repo, err := artifact.Repository(lib.Path)
	check(t, err)
	d, raw, err := e.store.Manifest(t.Context(), repo, sign.Tag(other.Descriptor.Digest))
	check(t, err)
	check(t, e.store.PushManifest(t.Context(), repo, d, raw, sign.Tag(evil.Descriptor.Digest)))
	e.wantSecurity(libURL, "for the digest")
}

// A registry that answers differently each time gets nothing unsigned through, whichever answer it gives first.
func TestAManifestThatChangesBetweenTwoReadsIsNotMixed(t *testing.T) {
	for _, first := range []string{"good", "evil"} {
		t.Run(first+" first", func(t *testing.T) {
			e := newEnv(t, func(o *Options) { o.Recheck = time.Nanosecond })
			good := e.publish(content{m: lib, text: "good"})
			_, zip := e.get(libURL + ".zip")
			evil := build(t, content{m: lib, text: "evil"})
			repo, err := artifact.Repository(lib.Path)
			check(t, err)
			for _, b := range evil.Blobs {
				check(t, e.store.PushBlob(t.Context(), repo, b))
			}
			check(t, e.handler.cache.Drop(lib))
			reads := 0
			e.transport.inject(func(r *http.Request) (*http.Response, error) {
				if !strings.HasSuffix(r.URL.Path, "/manifests/"+lib.Version) {
					return nil, nil
				}
				raw := good.Raw
				if reads++; (reads%2 == 1) == (first == "evil") {
					raw = evil.Raw
				}
				return respond("", http.StatusOK, ocispec.MediaTypeImageManifest, string(raw))(r)
			})
			for range 3 {
				for _, ext := range []string{".info", ".zip", ".mod", ".zip"} {
					e.clock.advance(time.Second)
					status, body := e.get(libURL + ext)
					if status != http.StatusForbidden && status != http.StatusOK || ext == ".zip" && status == http.StatusOK && body != zip {
						t.Errorf("GET %s: %d, which is neither refused nor what was signed", ext, status)
					}
				}
			}
			if reads < 6 || !strings.Contains(e.log.String(), "audit=security") {
				t.Errorf("the manifest was read %d times, log:\n%s", reads, e.log)
			}
		})
	}
}

// Whoever may write into the cache directory does not make the shim serve, overwrite or remove a file elsewhere.
func TestLinksInTheCacheDirectoryAreNotFollowed(t *testing.T) {
	secret := []byte(`{"Version":"v1.2.3","secret":"of the host"}`)
	for name, test := range map[string]struct {
		link   string // below the directory of the module
		isDir  bool
		status int
	}{
		"in the place of .info":            {"@v/v1.2.3.info", false, http.StatusOK},
		"in the place of .mod":             {"@v/v1.2.3.mod", false, http.StatusOK},
		"in the place of .zip":             {"@v/v1.2.3.zip", false, http.StatusOK},
		"in the place of the verdict":      {"@v/v1.2.3.verdict", false, http.StatusOK},
		"in the place of the list":         {"@v/list", false, http.StatusOK},
		"in the place of the versions":     {"@v", true, http.StatusInternalServerError},
		"in the place of the whole module": {"", true, http.StatusInternalServerError},
	} {
		t.Run(name, func(t *testing.T) {
			e := newEnv(t)
			e.publish(content{m: lib})
			outside := t.TempDir()
			target := filepath.Join(outside, "target")
			if test.isDir {
				target = outside
			}
			files := []string{filepath.Join(outside, "target"), filepath.Join(outside, "v1.2.3.info"), filepath.Join(outside, "v1.2.3.zip")}
			for _, file := range files {
				check(t, os.WriteFile(file, secret, 0o600))
			}
			link := filepath.Join(e.options.CacheDir, "example.com", "lib", filepath.FromSlash(test.link))
			check(t, os.MkdirAll(filepath.Dir(link), 0o700))
			check(t, os.Symlink(target, link))
			for _, restart := range []bool{false, true} {
				if restart {
					e.restart()
				}
				for _, path := range []string{".info", ".mod", ".zip"} {
					status, body := e.get(libURL + path)
					if strings.Contains(body, "of the host") || status != http.StatusOK && status != test.status {
						t.Errorf("GET %s: %d %.100q", path, status, body)
					}
				}
				e.want("/example.com/lib/@v/list", http.StatusOK, "v1.2.3\n")
			}
			_ = e.handler.cache.Drop(lib)
			left, err := os.ReadDir(outside)
			check(t, err)
			if len(left) != len(files) {
				t.Errorf("outside of the cache directory are %v", left)
			}
			for _, file := range files {
				if data, err := os.ReadFile(file); err != nil || !bytes.Equal(data, secret) {
					t.Errorf("%s: %q, %v", file, data, err)
				}
			}
		})
	}
}
