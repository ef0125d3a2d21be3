package mirror

import (
	"errors"
	"net/http"
	"strings"
	"testing"

	"golang.org/x/mod/module"
	modzip "golang.org/x/mod/zip"

	"github.com/modferry/modferry/artifact"
	"github.com/modferry/modferry/artifact/sign/signtest"
	"github.com/modferry/modferry/registry"
	"github.com/modferry/modferry/registry/collect/collecttest"
	"github.com/modferry/modferry/registry/remote/registrytest"
	"github.com/modferry/modferry/registry/requirement"
	"github.com/modferry/modferry/registry/upstream"
	"github.com/modferry/modferry/registry/upstream/upstreamtest"
)

func TestWhatAHostileUpstreamSendsIsNeverPublished(t *testing.T) {
	const bad = "example.com/bad@v1.0.0"
	goMod := map[string]string{"go.mod": "module example.com/bad\n\ngo 1.24\n"}
	signer := signtest.Signer(t, 0)
	for _, tt := range []struct {
		name    string
		modOnly bool
		spoil   func(t *testing.T, tree upstreamtest.Tree)
		is      error
		text    string
	}{
		{"zip that is none", false, func(t *testing.T, tree upstreamtest.Tree) {
			tree.Write(t, bad, ".zip", "This is not a zip.")
		}, artifact.ErrCorrupt, "zip"},
		{"truncated zip", false, func(t *testing.T, tree upstreamtest.Tree) {
			zip := upstreamtest.ReadAll(t, tree.File(t, bad, ".zip"))
			tree.Write(t, bad, ".zip", zip[:len(zip)/2])
		}, artifact.ErrCorrupt, "zip"},
		{"flipped bit in the zip", false, func(t *testing.T, tree upstreamtest.Tree) {
			zip := []byte(upstreamtest.ReadAll(t, tree.File(t, bad, ".zip")))
			zip[len(zip)/4] ^= 1
			tree.Write(t, bad, ".zip", string(zip))
		}, nil, "zip"},
		{"another version's zip", false, func(t *testing.T, tree upstreamtest.Tree) {
			tree.Write(t, bad, ".zip", upstreamtest.Zip(t, module.Version{Path: "example.com/bad", Version: "v1.0.1"}, goMod))
		}, artifact.ErrCorrupt, "prefix"},
		{"zip with another go.mod", false, func(t *testing.T, tree upstreamtest.Tree) {
			tree.Write(t, bad, ".zip", upstreamtest.Zip(t, upstreamtest.ParseModule(t, bad), map[string]string{"go.mod": "module example.com/evil\n"}))
		}, artifact.ErrCorrupt, "go.mod"},
		{"made-up go.mod of another module", false, func(t *testing.T, tree upstreamtest.Tree) {
			tree.Write(t, bad, ".zip", upstreamtest.Zip(t, upstreamtest.ParseModule(t, bad), map[string]string{"a.go": "package a"}))
			tree.Write(t, bad, ".mod", "module example.com/evil\n")
		}, artifact.ErrCorrupt, "example.com/evil"},
		{".mod that is none", true, func(t *testing.T, tree upstreamtest.Tree) { tree.Write(t, bad, ".mod", "<html>") }, artifact.ErrCorrupt, "go.mod"},
		{".mod over the limit", true, func(t *testing.T, tree upstreamtest.Tree) {
			tree.Write(t, bad, ".mod", "module example.com/bad\n"+strings.Repeat("/", modzip.MaxGoMod))
		}, artifact.ErrLimit, "go.mod"},
		{".info over the limit", true, func(t *testing.T, tree upstreamtest.Tree) {
			tree.Write(t, bad, ".info", `{"Version":"v1.0.0","X":"`+strings.Repeat("x", upstream.MaxInfo)+`"}`)
		}, artifact.ErrLimit, ".info"},
		{".info of another version", true, func(t *testing.T, tree upstreamtest.Tree) {
			tree.Write(t, bad, ".info", `{"Version":"v1.0.1"}`)
		}, artifact.ErrCorrupt, "v1.0.1"},
		{".info that is none", true, func(t *testing.T, tree upstreamtest.Tree) { tree.Write(t, bad, ".info", "<html>") }, artifact.ErrCorrupt, ".info"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tree := upstreamtest.NewTree(t, bad)
			tt.spoil(t, tree)
			reg := registrytest.New(t, registrytest.Options{})
			o := Options{Stores: openStores(t, reg.Host()+"/golang"), Upstream: collecttest.NewUpstream(t, tree.URL()), Signer: signer}
			it := upstreamtest.Full(bad)
			it.ModOnly = tt.modOnly
			events, summary := run(t, []requirement.Requirement{it}, o)
			if summary != (Summary{Failed: 1}) {
				t.Fatalf("%+v", summary)
			}
			err := events[0].Err
			if tt.is != nil && !errors.Is(err, tt.is) || !strings.Contains(err.Error(), tt.text) || !strings.Contains(err.Error(), bad) {
				t.Errorf("%v, want %v with %q", err, tt.is, tt.text)
			}
			assertNothingWritten(t, reg)
		})
	}
}

func TestWhatHasOtherSumsIsNeverPublished(t *testing.T) {
	const victim = "example.com/victim@v1.0.0"
	recorded := upstreamtest.NewTree(t, victim)
	log := upstreamtest.NewLog(t, recorded)
	zip, mod := treeSums(t, recorded, victim)
	changedZip := upstreamtest.NewTree(t)
	changedZip.Add(t, victim, map[string]string{"evil.go": "package lib\n"})
	changedMod := upstreamtest.NewTree(t)
	changedMod.Add(t, victim, map[string]string{"go.mod": "module example.com/victim\n"})
	for _, tt := range []struct {
		name    string
		tree    upstreamtest.Tree
		sumdb   bool
		head    bool
		modOnly bool
		want    string
	}{
		{"zip, database", changedZip, true, false, false, "zip"},
		{"go.mod, database", changedMod, true, false, true, "go.mod"},
		{"zip, go.sum", changedZip, false, true, false, "go.sum:1"},
		{"go.mod, go.sum", changedMod, false, true, true, "go.sum:1"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			reg := registrytest.New(t, registrytest.Options{})
			o := Options{Stores: openStores(t, reg.Host()+"/golang"), Upstream: collecttest.NewUpstream(t, tt.tree.URL())}
			if tt.sumdb {
				o.Checksums = newChecksums(t, upstream.ChecksumOptions{GOSUMDB: log.GOSUMDB(), Upstream: o.Upstream})
			}
			it := upstreamtest.Full(victim)
			it.ModOnly = tt.modOnly
			if tt.head {
				it.Sum, it.GoModSum, it.From = zip, mod, "go.sum:1"
			}
			events, _ := run(t, []requirement.Requirement{it}, o)
			err := events[0].Err
			if !errors.Is(err, upstream.ErrChecksum) || !strings.HasPrefix(err.Error(), "SECURITY: "+victim) || !strings.Contains(err.Error(), tt.want) {
				t.Error(err)
			}
			assertNothingWritten(t, reg)
		})
	}
}

func TestWhatTheDatabaseDoesNotKnowIsNotPublished(t *testing.T) {
	log := upstreamtest.NewLog(t, upstreamtest.NewTree(t)) // knows nothing
	tree := upstreamtest.NewTree(t, upstreamtest.VersionA.String())
	reg := registrytest.New(t, registrytest.Options{})
	up := collecttest.NewUpstream(t, tree.URL())
	o := Options{
		Stores: openStores(t, reg.Host()+"/golang"), Upstream: up,
		Checksums: newChecksums(t, upstream.ChecksumOptions{GOSUMDB: log.GOSUMDB(), Upstream: up}),
	}
	events, _ := run(t, []requirement.Requirement{upstreamtest.Full(upstreamtest.VersionA.String()), upstreamtest.Full("example.com/missing@v1.0.0")}, o)
	if err := events[0].Err; err == nil || !strings.Contains(err.Error(), "--private") {
		t.Error(err)
	}
	if err := events[1].Err; !errors.Is(err, upstream.ErrNotFound) || strings.Contains(err.Error(), "--private") {
		t.Error("that upstream does not have it matters more:", err)
	}
	assertNothingWritten(t, reg)
}

func TestTroubleWithTheRegistryIsReportedAndMendsWithTheNextRun(t *testing.T) {
	tree := upstreamtest.NewTree(t, "example.com/a@v1.0.0", "example.com/b@v1.0.0")
	items := []requirement.Requirement{upstreamtest.Full("example.com/a@v1.0.0"), upstreamtest.Full("example.com/b@v1.0.0")}
	signer := signtest.Signer(t, 0)
	for _, tt := range []struct {
		name  string
		fault registrytest.Fault
		is    error
	}{
		{"401", registrytest.Answer(401, "UNAUTHORIZED", "log in"), registry.ErrUnauthorized},
		{"403", registrytest.Denied().On(http.MethodPut, ""), registry.ErrDenied},
		{"412", registrytest.Answer(412, "PRECONDITION", "policy").On(http.MethodPut, registrytest.Manifest), registry.ErrPolicy},
		{"429", registrytest.RateLimited(0), registry.ErrUnavailable},
		{"500", registrytest.InternalError(), registry.ErrUnavailable},
		{"web page", registrytest.HTMLNotFound(), nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			reg := registrytest.New(t, registrytest.Options{})
			o := Options{Stores: openStores(t, reg.Host()+"/golang"), Upstream: collecttest.NewUpstream(t, tree.URL()), Signer: signer}
			reg.Inject(tt.fault)
			events, summary := run(t, items, o)
			if summary.Failed != len(items) {
				t.Fatalf("%+v", summary)
			}
			for _, e := range events {
				if tt.is != nil && !errors.Is(e.Err, tt.is) || !strings.Contains(e.Err.Error(), e.Module.String()) || !strings.Contains(e.Err.Error(), reg.Host()) {
					t.Errorf("%v", e.Err)
				}
			}
			reg.Heal()
			if _, summary := run(t, items, o); summary.New != len(items) {
				t.Errorf("%+v", summary)
			}
		})
	}
}

// assertNothingWritten checks that no version was published; a checksum snapshot may be.
func assertNothingWritten(t *testing.T, reg *registrytest.Registry) {
	t.Helper()
	for _, r := range reg.Requests() {
		if r.Method != http.MethodGet && r.Method != http.MethodHead && !strings.Contains(r.Repository, "/sumdb/") {
			t.Errorf("%s %s/%s: something was published", r.Method, r.Repository, r.Reference)
		}
	}
}
