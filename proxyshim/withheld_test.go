package proxyshim

import (
	"fmt"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"golang.org/x/mod/module"

	"github.com/modferry/modferry/artifact"
	"github.com/modferry/modferry/registry/remote/registrytest"
)

// A password that expires, or a firewall that is in the way for a while, costs no download.
func TestWhatWasWithheldIsServedAgainWithoutADownload(t *testing.T) {
	for name, fault := range map[string]registrytest.Fault{
		"password expired":      registrytest.HarborProjectMissing(),
		"access denied":         registrytest.Denied(),
		"firewall's 403":        registrytest.Answer(http.StatusForbidden, "", "blocked by the firewall"),
		"gone, and back again":  registrytest.Answer(http.StatusNotFound, "MANIFEST_UNKNOWN", "manifest unknown"),
		"not known to registry": registrytest.Answer(http.StatusNotFound, "NAME_UNKNOWN", "repository name not known"),
	} {
		for _, restart := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, restart %v", name, restart), func(t *testing.T) {
				fake := registrytest.New(t, registrytest.Options{})
				e := newEnvOn(t, fake.URL+"/golang", func(o *Options) { o.Absent = -1 })
				e.publish(content{m: lib, size: 100 << 10})
				e.record("main", lib.Version)
				paths := []string{libURL + ".info", libURL + ".mod", libURL + ".zip", "/example.com/lib/@v/list", "/example.com/lib/@latest", mainURL}
				var bodies []string
				for _, path := range paths {
					status, body := e.get(path)
					if status != http.StatusOK {
						t.Fatalf("GET %s: %d %s", path, status, body)
					}
					bodies = append(bodies, body)
				}
				files := e.files()

				fake.Inject(fault)
				e.clock.advance(time.Hour)
				for range 2 {
					for _, path := range paths {
						if status, body := e.get(path); status != http.StatusForbidden && status != http.StatusNotFound {
							t.Errorf("GET %s: %d %.100s", path, status, body)
						}
					}
					if restart {
						e.restart()
					}
				}
				if left := e.files(); !slices.Equal(left, files) {
					t.Errorf("cached before: %v\nand after: %v", files, left)
				}

				fake.Heal()
				fake.Reset()
				for i, path := range paths {
					if status, body := e.get(path); status != http.StatusOK || body != bodies[i] {
						t.Errorf("GET %s: %d %.100s", path, status, body)
					}
				}
				asked := make(map[registrytest.Kind]int)
				for _, r := range fake.Requests() {
					if r.Repository == "golang/example.com/lib" {
						asked[r.Kind]++
					}
				}
				// The version and the revision, each with its signature, and the list.
				if want := map[registrytest.Kind]int{registrytest.Manifest: 4, registrytest.Tags: 1}; !maps.Equal(asked, want) {
					t.Errorf("requests afterwards: %v, want %v", asked, want)
				}
			})
		}
	}
}

func TestAZipThatIsNotGivenAwayLeavesTheSmallFiles(t *testing.T) {
	e := newEnv(t)
	e.publish(content{m: lib})
	e.want(libURL+".info", http.StatusOK, "v1.2.3")
	files := e.files()
	e.transport.inject(respond("/blobs/", http.StatusForbidden, "text/html", "blocked"))
	e.want(libURL+".zip", http.StatusForbidden, "refused access to golang/example.com/lib")
	if left := e.files(); !slices.Equal(left, files) {
		t.Errorf("cached before: %v\nand after: %v", files, left)
	}
	if got := e.requests(func() { e.want(libURL+".info", http.StatusOK, "v1.2.3") }); len(got) > 0 {
		t.Errorf("requests: %v", got)
	}
	e.transport.inject(nil)
	e.want(libURL+".zip", http.StatusOK, "PK")
}

// What a version is confirmed with may be refused, or be bad. Then the version is not served, but that says nothing
// about its files.
func TestEvidenceThatCannotBeHadRemovesNothing(t *testing.T) {
	l := loggedLog(t)
	s := l.snapshot(nil)
	version, again := logged[0], logged[0]
	again.origin = "0123456789" // another manifest, the same zip
	repo, err := artifact.Repository(version.m.Path)
	check(t, err)
	evidence, err := artifact.EvidenceTag(version.m.Version)
	check(t, err)
	for name, test := range map[string]struct {
		publish func(e *env)
		change  func(e *env) // between the first time the version is served and the next check
		path    string       // of what is refused then
	}{
		"checksum snapshot": {func(e *env) { e.mirror(l, s, version) }, func(e *env) {
			check(t, os.RemoveAll(filepath.Join(e.handler.sums.files.Dir, "blobs")))
			e.restart()
			record := l.evidence(s, version.m)
			a, err := artifact.Build(artifact.Files{
				Module: again.m, Info: again.info(), GoMod: again.gomod(), ZipFile: again.zip(t), SumDB: record.Record, Tiles: record.Tiles,
			})
			check(t, err)
			e.push(a, again.m.Path, again.m.Version, a.Raw)
		}, "/sumdb/"},
		"evidence stored apart": {func(e *env) { e.publish(version) }, func(e *env) {
			e.publishSnapshot(s)
			check(t, e.store.PublishEvidence(t.Context(), l.evidence(s, version.m), e.signer))
		}, repo + "/manifests/" + evidence},
	} {
		for _, status := range []int{http.StatusPreconditionFailed, http.StatusForbidden, http.StatusUnauthorized} {
			t.Run(name+", "+http.StatusText(status), func(t *testing.T) {
				e := newEnv(t, withLog(l))
				test.publish(e)
				e.want(libURL+".zip", http.StatusOK, "PK")
				test.change(e)
				zip := filepath.Join(e.options.CacheDir, filepath.FromSlash(libURL)) + ".zip"
				before, err := os.Stat(zip)
				check(t, err)

				e.transport.inject(respond(test.path, status, "application/json", `{"errors":[{"code":"DENIED","message":"not for you"}]}`))
				e.clock.advance(time.Hour)
				e.want(libURL+".zip", http.StatusForbidden, "not for you")
				e.transport.inject(nil)
				e.clock.advance(time.Hour)
				e.want(libURL+".zip", http.StatusOK, "PK")
				if after, err := os.Stat(zip); err != nil || !os.SameFile(before, after) {
					t.Errorf("the zip was fetched again: %v", err)
				}
			})
		}
	}
}

func TestAVersionThatIsReplacedWhileItIsWithheldIsFetched(t *testing.T) {
	e := newEnv(t)
	e.publish(content{m: lib, text: "old"})
	_, old := e.get(libURL + ".zip")
	e.transport.inject(ociError(http.StatusForbidden, "DENIED", "no pull access"))
	e.clock.advance(time.Hour)
	e.want(libURL+".zip", http.StatusForbidden, "no pull access")
	e.transport.inject(nil)
	next := build(t, content{m: module.Version{Path: lib.Path, Version: lib.Version}, text: "new"})
	e.push(next, lib.Path, lib.Version, next.Raw)
	if status, now := e.get(libURL + ".zip"); status != http.StatusOK || now == old {
		t.Errorf("zip: %d, same as before: %v", status, now == old)
	}
}
