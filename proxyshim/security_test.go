package proxyshim

import (
	"bytes"
	"context"
	"encoding/base64"
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
	"github.com/modferry/modferry/registry/remote"
	"github.com/modferry/modferry/registry/stores"
)

// wantSecurity checks that a version is refused, audited, and not cached.
func (e *env) wantSecurity(url, part string) {
	e.t.Helper()
	for _, ext := range []string{".info", ".mod", ".zip"} {
		e.want(url+ext, http.StatusForbidden, "SECURITY: ")
	}
	e.want(url+".info", http.StatusForbidden, part)
	if !strings.Contains(e.log.String(), "audit=security") {
		e.t.Error("no audit record")
	}
	if files := e.files(); len(files) > 0 {
		e.t.Errorf("cached: %v", files)
	}
}

// push stores raw under a tag with a good signature, past all checks of Publish.
func (e *env) push(a *artifact.Artifact, path, tag string, raw []byte) {
	e.t.Helper()
	ctx := e.t.Context()
	repo, err := artifact.Repository(path)
	check(e.t, err)
	for _, b := range a.Blobs {
		check(e.t, e.store.PushBlob(ctx, repo, b))
	}
	d := artifact.NewBlob(ocispec.MediaTypeImageManifest, raw).Descriptor
	check(e.t, e.store.PushManifest(ctx, repo, d, raw, tag))
	e.signManifest(ctx, repo, d)
}

func (e *env) signManifest(ctx context.Context, repo string, d ocispec.Descriptor) {
	e.t.Helper()
	sig, err := e.signer.Sign(ctx, d.Digest, e.store.Reference(repo, ""))
	check(e.t, err)
	image, err := sign.Append(nil, sig)
	check(e.t, err)
	for _, b := range image.Blobs {
		check(e.t, e.store.PushBlob(ctx, repo, b))
	}
	check(e.t, e.store.PushManifest(ctx, repo, image.Descriptor, image.Raw, sign.Tag(d.Digest)))
}

func TestUnsignedIsRefused(t *testing.T) {
	e := newEnv(t)
	e.publishAs(content{m: lib}, nil)
	e.wantSecurity(libURL, "example.com/lib@v1.2.3")
}

func TestSignatureByAnotherKeyIsRefused(t *testing.T) {
	e := newEnv(t)
	e.publishAs(content{m: lib}, testSigner(t, 1))
	e.wantSecurity(libURL, "example.com/lib@v1.2.3")
}

func TestRetaggedManifestIsRefused(t *testing.T) {
	e := newEnv(t)
	other := build(t, content{m: module.Version{Path: lib.Path, Version: "v1.2.2"}})
	e.push(other, lib.Path, lib.Version, other.Raw)
	e.wantSecurity(libURL, "v1.2.2")
}

func TestManifestOfAnotherModuleIsRefused(t *testing.T) {
	e := newEnv(t)
	other := build(t, content{m: module.Version{Path: "example.com/other", Version: lib.Version}})
	e.push(other, lib.Path, lib.Version, other.Raw)
	e.wantSecurity(libURL, "example.com/other")
}

func TestManifestOfNoModuleIsRefused(t *testing.T) {
	e := newEnv(t)
	a := build(t, content{m: lib})
	raw := bytes.ReplaceAll(a.Raw, []byte("dev.modferry."), []byte("dev.somebody."))
	e.push(a, lib.Path, lib.Version, raw)
	e.wantSecurity(libURL, "example.com/lib")
}

func TestInlinedDataOfAnotherDigestIsRefused(t *testing.T) {
	e := newEnv(t)
	a := build(t, content{m: lib})
	data := base64.StdEncoding.EncodeToString(a.Manifest.Meta.Data)
	if data == "" || !bytes.Contains(a.Raw, []byte(data)) {
		t.Fatal("no data in the manifest")
	}
	flipped := "B" + data[1:]
	if data[0] == 'B' {
		flipped = "A" + data[1:]
	}
	e.push(a, lib.Path, lib.Version, bytes.Replace(a.Raw, []byte(data), []byte(flipped), 1))
	e.wantSecurity(libURL, "example.com/lib")
}

func TestSumsThatDoNotMatchAreRefused(t *testing.T) {
	a := build(t, content{m: lib})
	b := build(t, content{m: lib, text: "another"})
	t.Run("go.mod", func(t *testing.T) {
		e := newEnv(t)
		e.push(a, lib.Path, lib.Version, bytes.Replace(a.Raw, []byte(a.Manifest.GoModSum), []byte(a.Manifest.Sum), 1))
		e.wantSecurity(libURL, "example.com/lib")
	})
	t.Run("zip", func(t *testing.T) {
		e := newEnv(t)
		e.push(a, lib.Path, lib.Version, bytes.Replace(a.Raw, []byte(a.Manifest.Sum), []byte(b.Manifest.Sum), 1))
		e.want(libURL+".zip", http.StatusForbidden, "SECURITY: ")
		if files := e.files(); len(files) > 0 {
			t.Errorf("cached: %v", files)
		}
	})
}

func TestBlobThatDoesNotMatchItsDigestIsRefused(t *testing.T) {
	e := newEnv(t)
	a := e.publish(content{m: lib})
	rotten := strings.Repeat("x", int(a.Manifest.Zip.Size))
	e.transport.inject(respond("/blobs/"+a.Manifest.Zip.Digest.String(), http.StatusOK, "application/octet-stream", rotten))
	e.want(libURL+".zip", http.StatusForbidden, "SECURITY: ")
	if files := e.files(); len(files) > 0 {
		t.Errorf("cached: %v", files)
	}
	e.transport.inject(nil)
	e.want(libURL+".zip", http.StatusOK, "PK")
}

func TestChangedPolicyVerifiesAgain(t *testing.T) {
	e := newEnv(t)
	e.publish(content{m: lib})
	e.want(libURL+".zip", http.StatusOK, "PK")

	e.restart()
	if got := e.requests(func() { e.want(libURL+".zip", http.StatusOK, "PK") }); len(got) > 0 {
		t.Errorf("same policy after a restart: %v", got)
	}
	e.restart(func(o *Options) { o.Verifier = testSigner(t, 1).Verifier() })
	e.transport.inject(down)
	e.want(libURL+".zip", http.StatusBadGateway, "registry not available")
	e.transport.inject(nil)
	e.wantSecurity(libURL, "example.com/lib")
}

func TestInsecureVerdictsAreNotTrustedBySecureHandlers(t *testing.T) {
	e := newEnv(t, func(o *Options) { o.Verifier = sign.SkipVerify{} })
	e.publishAs(content{m: lib}, nil)
	e.want(libURL+".zip", http.StatusOK, "PK")
	e.restart(func(o *Options) { o.Verifier = e.signer.Verifier() })
	e.wantSecurity(libURL, "example.com/lib")
}

// Not even while the store is down. Only what is known to be bad is removed.
func TestRevokedVersionsAreNoLongerServed(t *testing.T) {
	for _, test := range []struct {
		name    string
		revoke  func(e *env)
		status  int
		text    string
		removed bool
	}{
		{"content under the tag replaced", func(e *env) {
			other := build(e.t, content{m: lib, text: "unsigned"})
			repo, _ := artifact.Repository(lib.Path)
			for _, b := range other.Blobs {
				check(e.t, e.store.PushBlob(e.t.Context(), repo, b))
			}
			check(e.t, e.store.PushManifest(e.t.Context(), repo, other.Descriptor, other.Raw, lib.Version))
		}, http.StatusForbidden, "SECURITY: ", true},
		{"signature removed", func(e *env) {
			e.transport.inject(respond(".sig", http.StatusNotFound, "application/json", `{"errors":[{"code":"MANIFEST_UNKNOWN"}]}`))
		}, http.StatusForbidden, "SECURITY: ", true},
		{"another version under the tag", func(e *env) {
			other := build(e.t, content{m: module.Version{Path: lib.Path, Version: "v1.2.2"}})
			e.push(other, lib.Path, lib.Version, other.Raw)
		}, http.StatusForbidden, "v1.2.2", true},
		{"policy", func(e *env) {
			e.transport.inject(ociError(http.StatusPreconditionFailed, "PROJECTPOLICYVIOLATION", "CVE-2026-0001 is critical"))
		}, http.StatusForbidden, "CVE-2026-0001 is critical", true},
		{"access", func(e *env) {
			e.transport.inject(ociError(http.StatusForbidden, "DENIED", "no pull access"))
		}, http.StatusForbidden, "no pull access", false},
		{"password expired", func(e *env) {
			e.transport.inject(ociError(http.StatusUnauthorized, "UNAUTHORIZED", "unauthorized to access repository"))
		}, http.StatusForbidden, "unauthorized to access repository", false},
		{"a firewall's page", func(e *env) {
			e.transport.inject(respond("/v2/", http.StatusOK, "text/html", "<h1>log in to use the network</h1>"))
		}, http.StatusForbidden, "not a module version", false},
		{"tag removed", func(e *env) {
			e.transport.inject(ociError(http.StatusNotFound, "MANIFEST_UNKNOWN", "unknown"))
		}, http.StatusNotFound, "not found: ", false},
	} {
		t.Run(test.name, func(t *testing.T) {
			e := newEnv(t)
			e.publish(content{m: lib})
			e.want(libURL+".zip", http.StatusOK, "PK")
			test.revoke(e)
			e.want(libURL+".zip", http.StatusOK, "PK") // until the next check
			e.clock.advance(time.Hour)
			for _, ext := range []string{".zip", ".info", ".mod"} {
				e.want(libURL+ext, test.status, test.text)
			}
			want := 4 // verdict, .info, .mod and .zip
			if test.removed {
				want = 0
			}
			if files := e.files(); len(files) != want {
				t.Errorf("cached are %d files, want %d: %v", len(files), want, files)
			}
			e.transport.inject(down)
			for range 2 {
				e.clock.advance(time.Hour)
				e.want(libURL+".zip", http.StatusBadGateway, "registry not available") // not from what is left
				e.restart()
			}
		})
	}
}

func TestReplacedByAnotherSignedManifest(t *testing.T) {
	e := newEnv(t)
	e.publish(content{m: lib, text: "old"})
	_, old := e.get(libURL + ".zip")
	other := build(t, content{m: lib, text: "new", origin: "0123456789"})
	e.push(other, lib.Path, lib.Version, other.Raw)
	e.clock.advance(time.Hour)
	status, now := e.get(libURL + ".zip")
	if status != http.StatusOK || now == old {
		t.Errorf("zip: %d, same as before: %v", status, now == old)
	}
	e.want(libURL+".info", http.StatusOK, "0123456789")
}

func TestFilesWithoutTheirVerdictAreNotTrusted(t *testing.T) {
	e := newEnv(t)
	e.publish(content{m: lib})
	_, zip := e.get(libURL + ".zip")

	file := filepath.Join(e.options.CacheDir, filepath.FromSlash(strings.TrimPrefix(libURL, "/")))
	for _, ext := range []string{".info", ".mod", ".zip"} {
		check(t, os.WriteFile(file+ext, []byte("forged"), 0o644))
	}
	for _, restart := range []bool{false, true} {
		if restart {
			e.restart()
		}
		e.want(libURL+".info", http.StatusOK, `"v1.2.3"`)
		e.want(libURL+".mod", http.StatusOK, "module example.com/lib")
		e.want(libURL+".zip", http.StatusOK, zip)
		check(t, os.WriteFile(file+".zip", []byte("forged"), 0o644))
		check(t, os.WriteFile(file+".info", []byte("forged"), 0o644))
	}
	check(t, os.WriteFile(file+".verdict", []byte(`{"format":1`), 0o644)) // torn
	e.restart()
	e.want(libURL+".info", http.StatusOK, `"v1.2.3"`)
	e.want(libURL+".zip", http.StatusOK, zip)
}

func TestBlockedModulesAreNotPassedOn(t *testing.T) {
	e := newEnv(t)
	client, err := remote.NewClient(remote.ClientOptions{Transport: e.transport})
	check(t, err)
	router, err := stores.Route(client, "example.com/evil=none,"+e.router.String())
	check(t, err)
	_, url := e.start(Options{Stores: router, Verifier: e.options.Verifier, CacheDir: filepath.Join(e.root, "cache")})
	e.url = url
	e.want("/example.com/evil/@v/v1.0.0.info", http.StatusForbidden, "blocked: ")
	e.want("/example.com/evil/sub/@v/list", http.StatusForbidden, "blocked: ")
	e.want("/example.com/evilness/@v/list", http.StatusNotFound, "not found: ")
}

func TestVerdictsAboutAnotherStoreDoNotCount(t *testing.T) {
	e := newEnv(t)
	e.publish(content{m: lib})
	e.want(libURL+".zip", http.StatusOK, "PK")
	check(t, e.handler.Close())
	other := newEnv(t, func(o *Options) { o.CacheDir = e.options.CacheDir })
	other.transport.inject(down)
	for range 2 {
		for _, ext := range []string{".info", ".mod", ".zip"} {
			other.want(libURL+ext, http.StatusBadGateway, "registry not available")
		}
	}
	other.transport.inject(nil)
	other.want(libURL+".info", http.StatusNotFound, "not found: ")
}
