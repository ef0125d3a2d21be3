package proxyshim

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/module"

	"github.com/modferry/modferry/artifact"
	"github.com/modferry/modferry/artifact/sign"
)

// wantDistrusted checks that a revision is refused, audited, and not kept.
func (e *env) wantDistrusted(revision, part string) {
	e.t.Helper()
	for range 2 {
		e.want("/example.com/lib/@v/"+revision+".info", http.StatusForbidden, "SECURITY: ")
	}
	e.want("/example.com/lib/@v/"+revision+".info", http.StatusForbidden, part)
	if !strings.Contains(e.log.String(), "audit=security") {
		e.t.Error("no audit record")
	}
	for _, name := range e.files() {
		if strings.HasSuffix(name, revisionExt) {
			e.t.Errorf("kept: %s", name)
		}
	}
}

func TestRevisionsNobodyVouchesForAreRefused(t *testing.T) {
	for name, signer := range map[string]*sign.Signer{"unsigned": nil, "another key": testSigner(t, 1)} {
		t.Run(name, func(t *testing.T) {
			e := newEnv(t)
			e.publish(content{m: lib})
			e.publish(content{m: module.Version{Path: lib.Path, Version: oldPseudo}}) // is of libCommit
			e.recordAs("main", lib.Version, signer)
			e.recordAs("v1.2.3+meta", lib.Version, signer)
			e.recordAs(libCommit, lib.Version, signer)
			for _, revision := range []string{"main", "v1.2.3+meta", libCommit, libCommit[:12]} {
				e.wantDistrusted(revision, "example.com/lib@")
			}
		})
	}
}

func TestRevisionsLeadToNothingThePolicyRefuses(t *testing.T) {
	for name, test := range map[string]struct {
		publish func(e *env)
		status  int
		text    string
	}{
		"unsigned":    {func(e *env) { e.publishAs(content{m: lib}, nil) }, http.StatusForbidden, "SECURITY: "},
		"another key": {func(e *env) { e.publishAs(content{m: lib}, testSigner(t, 1)) }, http.StatusForbidden, "SECURITY: "},
		"absent":      {func(*env) {}, http.StatusNotFound, "not found: example.com/lib@v1.2.3 is not in "},
		"another version under its tag": {func(e *env) {
			other := build(t, content{m: module.Version{Path: lib.Path, Version: "v1.2.2"}})
			e.push(other, lib.Path, lib.Version, other.Raw)
		}, http.StatusForbidden, "SECURITY: "},
	} {
		t.Run(name, func(t *testing.T) {
			e := newEnv(t)
			test.publish(e)
			e.record("main", lib.Version)
			e.record(libCommit, lib.Version)
			for _, revision := range []string{"main", libCommit, libCommit[:12]} {
				e.want("/example.com/lib/@v/"+revision+".info", test.status, test.text)
			}
		})
	}
}

func TestRevisionInAnotherPlaceIsRefused(t *testing.T) {
	e := newEnv(t)
	e.publish(content{m: lib})
	repo, err := artifact.Repository(lib.Path)
	check(t, err)
	for _, other := range []artifact.Revision{
		{Path: lib.Path, Name: "develop", Version: lib.Version}, // re-tagged
		{Path: "example.com/other", Name: "main", Version: lib.Version},
	} {
		image, err := artifact.BuildRevision(other)
		check(t, err)
		check(t, e.store.PushBlob(t.Context(), repo, image.Blobs[0]))
		check(t, e.store.PushManifest(t.Context(), repo, image.Descriptor, image.Raw, "rev-main"))
		e.signManifest(t.Context(), repo, image.Descriptor)
		e.wantDistrusted("main", "belongs to "+other.Query().String())
	}
	version := build(t, content{m: lib})
	e.push(version, lib.Path, "rev-main", version.Raw)
	e.wantDistrusted("main", "rev-main")
}

func TestRevisionThatGoesBadIsNoLongerServed(t *testing.T) {
	for name, test := range map[string]struct {
		change  func(e *env)
		status  int
		text    string
		removed bool
	}{
		"replaced by an unsigned one": {func(e *env) { e.recordAs("main", "v1.3.0", nil) }, http.StatusForbidden, "SECURITY: ", true},
		"held back by policy": {func(e *env) {
			e.transport.inject(respond("/manifests/rev-main", http.StatusPreconditionFailed, "application/json",
				`{"errors":[{"code":"PROJECTPOLICYVIOLATION","message":"not scanned"}]}`))
		}, http.StatusForbidden, "not scanned", true},
		"refused": {func(e *env) {
			e.transport.inject(ociError(http.StatusForbidden, "DENIED", "no pull access"))
		}, http.StatusForbidden, "no pull access", false},
		"refused, but the list of tags": {func(e *env) {
			e.transport.inject(respond("/manifests/rev-main", http.StatusUnauthorized, "application/json",
				`{"errors":[{"code":"UNAUTHORIZED","message":"who are you"}]}`))
		}, http.StatusForbidden, "who are you", false},
		"removed": {func(e *env) {
			e.transport.inject(respond("/manifests/rev-main", http.StatusNotFound, "application/json", `{"errors":[{"code":"MANIFEST_UNKNOWN"}]}`))
		}, http.StatusNotFound, "not found: revision main", false},
	} {
		t.Run(name, func(t *testing.T) {
			e := newEnv(t)
			e.publish(content{m: lib})
			e.record("main", lib.Version)
			e.wantMeaning("main", "v1.2.3")
			test.change(e)
			e.clock.advance(time.Hour)
			e.want(mainURL, test.status, test.text)
			file := filepath.Join(e.options.CacheDir, "example.com", "lib", "@v", "main"+revisionExt)
			if _, err := os.Stat(file); (err != nil) != test.removed {
				t.Errorf("%v, want it removed: %v", err, test.removed)
			}
			e.transport.inject(down)
			for range 2 {
				e.clock.advance(time.Hour)
				e.want(mainURL, http.StatusBadGateway, "registry not available")
				e.restart()
			}
		})
	}
}

func TestChangedPolicyVerifiesRevisionsAgain(t *testing.T) {
	e := newEnv(t)
	e.publish(content{m: lib})
	e.record("main", lib.Version)
	e.publishAs(content{m: lib}, testSigner(t, 1)) // the version is good for both keys
	e.wantMeaning("main", "v1.2.3")
	e.restart(func(o *Options) { o.Verifier = testSigner(t, 1).Verifier() })
	e.want(libURL+".info", http.StatusOK, "")
	e.wantDistrusted("main", "example.com/lib@main")

	e = newEnv(t, func(o *Options) { o.Verifier = sign.SkipVerify{} })
	e.publish(content{m: lib})
	e.recordAs("main", lib.Version, nil)
	e.wantMeaning("main", "v1.2.3")
	e.restart(func(o *Options) { o.Verifier = e.signer.Verifier() })
	e.wantDistrusted("main", "example.com/lib@main")
}

func TestForgedRevisionFilesAreNotBelieved(t *testing.T) {
	e := newEnv(t)
	e.publish(content{m: lib})
	e.record("main", lib.Version)
	e.wantMeaning("main", "v1.2.3")
	file := filepath.Join(e.options.CacheDir, "example.com", "lib", "@v", "main"+revisionExt)
	good, err := os.ReadFile(file)
	check(t, err)
	for _, forged := range []string{
		"{", "null",
		strings.Replace(string(good), `"main"`, `"develop"`, 1),
		strings.Replace(string(good), "example.com/lib", "example.com/other", 1),
		strings.Replace(string(good), "golang", "elsewhere", 1),
		strings.Replace(string(good), e.signer.Verifier().Rule("").Fingerprint, "", 1),
	} {
		if forged == string(good) {
			t.Fatal("not forged")
		}
		check(t, os.WriteFile(file, []byte(forged), 0o644))
		e.restart()
		if got := e.requests(func() { e.wantMeaning("main", "v1.2.3") }); len(got) != 2 {
			t.Errorf("%.200s: %v; want two requests", forged, got)
		}
	}
}
