package proxyshim

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/module"

	"github.com/modferry/modferry/artifact/goproxy"
	"github.com/modferry/modferry/artifact/sumdb"
	"github.com/modferry/modferry/registry"
	"github.com/modferry/modferry/registry/remote"
	"github.com/modferry/modferry/registry/remote/registrytest"
	"github.com/modferry/modferry/registry/stores"
	"github.com/modferry/modferry/registry/verify"
)

// A log with versions of every kind, far enough apart to be in different tiles.
var logged = []content{
	{m: module.Version{Path: "example.com/lib", Version: "v1.2.3"}},
	{m: module.Version{Path: "example.com/Upper/Case", Version: "v2.0.0+incompatible"}},
	{m: module.Version{Path: "example.com/pseudo", Version: "v0.0.0-20260102030405-0123456789ab"}},
	{m: module.Version{Path: "example.com/graph", Version: "v0.9.0"}, modOnly: true},
}

func loggedLog(t testing.TB) *testLog {
	t.Helper()
	l := newTestLog(t, "")
	for i, c := range logged {
		l.grow(int64(300 * i))
		l.add(c)
	}
	return l.grow(1100)
}

// verify has a client verify versions.
func (c *goClient) verify(t *testing.T, versions ...content) {
	t.Helper()
	for _, v := range versions {
		lines, err := c.lookup(v.m)
		if err != nil || c.alarm != "" {
			t.Errorf("%s: %v\n%s", v.m, err, c.alarm)
		}
		if want := v.m.Path + " " + v.m.Version + "/go.mod h1:"; !strings.Contains(lines, want) {
			t.Errorf("%s: lines %q", v.m, lines)
		}
	}
}

func TestAFreshClientVerifiesEverything(t *testing.T) {
	l := loggedLog(t)
	e := newEnv(t, withLog(l))
	e.mirror(l, l.snapshot(nil), logged...)
	e.client(l, nil).verify(t, logged...)
	e.want(logURL+"latest", http.StatusOK, "go.sum database tree\n1100\n")
	if strings.Contains(e.log.String(), "WARN") || strings.Contains(e.log.String(), "without the word") {
		t.Errorf("log:\n%s", e.log)
	}

	e.restart()
	e.transport.inject(down)
	e.client(l, nil).verify(t, logged...) // from the cache alone
}

func TestAClientWithAnyEarlierHeadMovesOn(t *testing.T) {
	l := newTestLog(t, "")
	e := newEnv(t, withLog(l), func(o *Options) { o.Recheck = time.Minute })
	var base *sumdb.Snapshot
	var heads [][]byte
	for i, n := range []int64{1, 200, 256, 257, 700, 1000, 65536, 66000} {
		l.grow(n - 1)
		v := content{m: module.Version{Path: "example.com/lib", Version: "v1." + string(rune('0'+i)) + ".0"}}
		l.add(v)
		base = l.snapshot(base)
		e.mirror(l, base, v)
		heads = append(heads, base.Head().Note)
		e.clock.advance(time.Hour)
		for _, head := range append(heads, nil) {
			c := e.client(l, head)
			c.verify(t, v, content{m: module.Version{Path: "example.com/lib", Version: "v1.0.0"}})
			if string(c.latest) != string(base.Head().Note) {
				t.Errorf("a client with %.40q is left with %.40q", head, c.latest)
			}
		}
	}
}

func TestAClientWithANewerHeadGetsTheExplanation(t *testing.T) {
	l := loggedLog(t)
	e := newEnv(t, withLog(l))
	s := l.snapshot(nil)
	e.mirror(l, s, logged...)
	for _, n := range []int64{1101, 1300, 70000} {
		c := e.client(l, l.grow(n).note(n))
		_, err := c.lookup(logged[0].m)
		if err == nil || c.alarm != "" || !strings.Contains(err.Error(), "newer than the checksum snapshot of 2026-11-20 (1100 records)") ||
			!strings.Contains(err.Error(), "modferry mirror") {
			t.Errorf("client with a head of %d records: %v\n%s", n, err, c.alarm)
		}
	}
}

func TestInterleavedMirrors(t *testing.T) {
	l := loggedLog(t)
	e := newEnv(t, withLog(l), func(o *Options) { o.Recheck = time.Minute })
	first := l.snapshotAt(1000, nil)
	e.mirror(l, first, logged...)
	e.client(l, nil).verify(t, logged...)

	// Two mirrors build upon the first snapshot; neither knows of the other.
	one, two := l.snapshotAt(1050, first), l.snapshotAt(1090, first)
	e.publishSnapshot(one)
	e.clock.advance(time.Hour)
	e.client(l, first.Head().Note).verify(t, logged...)
	e.publishSnapshot(two)
	e.clock.advance(time.Hour)
	e.client(l, one.Head().Note).verify(t, logged...) // two covers it: the edge of both is in the same tile

	// Whoever comes next names both heads.
	e.publishSnapshot(l.snapshotAt(1100, two, one.Head()))
	e.clock.advance(time.Hour)
	e.want(logURL+"latest", http.StatusOK, "\n1100\n")
	for _, s := range []*sumdb.Snapshot{first, one, two} {
		e.client(l, s.Head().Note).verify(t, logged...)
	}
}

func TestASnapshotThatDoesNotProveTheHeadSeenBeforeWaits(t *testing.T) {
	l := loggedLog(t)
	e := newEnv(t, withLog(l), func(o *Options) { o.Recheck = time.Minute })
	one, two := l.snapshotAt(700, nil), l.snapshotAt(1090, nil)
	e.mirror(l, one, logged[:2]...)
	e.client(l, nil).verify(t, logged[:2]...)
	e.publishSnapshot(two)
	e.clock.advance(time.Hour)
	e.client(l, one.Head().Note).verify(t, logged[:2]...)
	e.want(logURL+"latest", http.StatusOK, "\n700\n")
	if !strings.Contains(e.log.String(), "does not prove that the newest tree head seen before") {
		t.Errorf("log:\n%s", e.log)
	}
	e.publishSnapshot(l.snapshotAt(1100, two, one.Head()))
	e.clock.advance(time.Hour)
	e.client(l, one.Head().Note).verify(t, logged[:2]...)
	e.want(logURL+"latest", http.StatusOK, "\n1100\n")
}

func TestTheNewestSnapshotOfAllStoresCounts(t *testing.T) {
	l := loggedLog(t)
	url := registrytest.New(t, registrytest.Options{}).URL
	private := newEnvOn(t, url+"/private")
	public := newEnvOn(t, url+"/golang")
	client, err := remote.NewClient(remote.ClientOptions{})
	check(t, err)
	router, err := stores.Route(client, "example.com/graph="+url+"/private,"+url+"/golang")
	check(t, err)
	both := newEnvOn(t, url+"/golang", withLog(l), func(o *Options) { o.Stores = router })
	old := l.snapshotAt(1000, nil)
	public.mirror(l, old, logged[:3]...)
	private.mirror(l, l.snapshot(old), logged[3])
	both.client(l, nil).verify(t, logged...)
	both.want(logURL+"latest", http.StatusOK, "\n1100\n")
	if strings.Contains(both.log.String(), "audit") {
		t.Errorf("log:\n%s", both.log)
	}
}

func TestSupportedIsAnsweredInEveryState(t *testing.T) {
	l := loggedLog(t)
	e := newEnv(t, withLog(l))
	others := []string{
		"/sumdb/sum.golang.org/supported", "/sumdb/x/supported", "/sumdb/A..%2F../%00/supported",
		"/sumdb//supported", "/sumdb/" + strings.Repeat("x", 2*maxPath) + "/supported",
	}
	ask := func() {
		t.Helper()
		e.want(logURL+"supported", http.StatusOK, "")
		for _, path := range others { // not a 404, after which the go command would dial that log
			e.want(path, http.StatusForbidden, "served here is "+l.Name())
		}
	}
	ask()
	e.transport.inject(down)
	e.want(logURL+"latest", http.StatusBadGateway, "registry not available")
	ask()
	if got := e.requests(ask); len(got) > 0 {
		t.Errorf("registry requests: %v", got)
	}
	check(t, e.handler.Close())
	ask()
}

func TestNoRegistryRequestsOnceTheSnapshotIsLoaded(t *testing.T) {
	l := loggedLog(t)
	e := newEnv(t, withLog(l))
	s := l.snapshot(nil)
	e.mirror(l, s, logged...)
	for _, c := range logged {
		escaped, err := goproxy.Base(c.m)
		check(t, err)
		e.want("/"+escaped+".mod", http.StatusOK, "module")
	}
	got := e.requests(func() { e.client(l, nil).verify(t, logged...) })
	if len(got) > 0 {
		t.Errorf("registry requests: %v", got)
	}
}

func TestEvidenceCostsNoRequestsPerVersion(t *testing.T) {
	l := loggedLog(t)
	e := newEnv(t, withLog(l))
	s := l.snapshot(nil)
	e.mirror(l, s, logged...)
	start := e.requests(e.askForSnapshot)
	got := e.requests(func() {
		for _, ext := range []string{".info", ".mod", ".zip"} {
			e.want(libURL+ext, http.StatusOK, "")
		}
		e.client(l, nil).verify(t, logged[0])
	})
	if len(got) > 3 {
		t.Errorf("registry requests: %v", got)
	}
	e.restart()
	if got := e.requests(e.askForSnapshot); len(got) > 0 || len(start) < 4 {
		t.Errorf("requests for the snapshot: first %v, after a restart %v", start, got)
	}
	e.clock.advance(2 * time.Hour)
	got = e.requests(e.askForSnapshot)
	if slices.ContainsFunc(got, func(r string) bool { return strings.Contains(r, "/blobs/") }) || len(got) != 2 {
		t.Errorf("requests at the re-check: %v", got)
	}
}

func TestANewSnapshotIsPickedUpAtTheRecheck(t *testing.T) {
	l := loggedLog(t)
	e := newEnv(t, withLog(l))
	base := l.snapshot(nil)
	e.mirror(l, base, logged...)
	e.client(l, nil).verify(t, logged...)
	e.publishSnapshot(l.grow(1200).snapshot(base))
	e.clock.advance(59 * time.Minute)
	e.want(logURL+"latest", http.StatusOK, "\n1100\n")
	e.clock.advance(time.Minute)
	e.want(logURL+"latest", http.StatusOK, "\n1200\n")
	e.client(l, base.Head().Note).verify(t, logged...)
}

func TestWhatWasMirroredAMomentAgoIsServed(t *testing.T) {
	l := loggedLog(t)
	e := newEnv(t, withLog(l))
	base := l.snapshot(nil)
	e.mirror(l, base, logged...)
	e.client(l, nil).verify(t, logged...)
	for _, version := range []string{"v1.3.0", "v1.4.0"} { // no time passes
		newer := content{m: module.Version{Path: "example.com/lib", Version: version}}
		l.add(newer)
		e.mirror(l, l.snapshot(base), newer)
		e.want("/example.com/lib/@v/"+version+".zip", http.StatusOK, "PK")
		e.client(l, base.Head().Note).verify(t, newer)
	}
	if strings.Contains(e.log.String(), "without the word") {
		t.Errorf("log:\n%s", e.log)
	}
}

func TestWhatNoSnapshotConfirmsYetMakesTheStoreBeAskedOnceASecond(t *testing.T) {
	l := loggedLog(t)
	e := newEnv(t, withLog(l))
	base := l.snapshot(nil)
	e.mirror(l, base, logged...)
	early := content{m: module.Version{Path: "example.com/lib", Version: "v1.3.0"}}
	l.add(early)
	next := l.snapshot(base)
	e.publishWith(early, l.evidence(next, early.m)) // mirror stores the snapshot first; a replication may not
	looks := func() int {
		asked := e.requests(func() {
			for range 5 {
				e.want("/example.com/lib/@v/v1.3.0.info", http.StatusForbidden, "newer than the checksum snapshot")
			}
		})
		return strings.Count(strings.Join(asked, "\n"), "/manifests/latest")
	}
	e.askForSnapshot()
	for _, second := range []int{1, 2} {
		if n := looks(); n != 1 {
			t.Errorf("second %d: the store was asked %d times for a snapshot", second, n)
		}
		e.clock.advance(snapshotAgain)
	}
	e.publishSnapshot(next)
	e.want("/example.com/lib/@v/v1.3.0.info", http.StatusOK, "v1.3.0")
}

func TestWithoutASnapshotVersionsAreServedAndLookupsExplain(t *testing.T) {
	l := loggedLog(t)
	e := newEnv(t, withLog(l))
	e.publishWith(logged[0], l.evidence(l.snapshot(nil), logged[0].m))
	e.publish(logged[3])
	got := e.requests(func() {
		e.want(libURL+".zip", http.StatusOK, "PK")
		e.want(graphURL+".mod", http.StatusOK, "module")
	})
	if n := strings.Count(strings.Join(got, "\n"), "/manifests/latest"); n != 1 {
		t.Errorf("the store was asked %d times for a snapshot: %v", n, got)
	}
	for _, path := range []string{"latest", "lookup/example.com/lib@v1.2.3", "tile/8/0/000"} {
		e.want(logURL+path, http.StatusNotFound, "not found: no checksum snapshot of sums.corp.example/log is in ")
	}
	e.publishSnapshot(l.snapshot(nil))
	e.clock.advance(snapshotRetry)
	e.client(l, nil).verify(t, logged[0]) // the tile is read once more
	e.want(logURL+"lookup/example.com/graph@v0.9.0", http.StatusForbidden, "run modferry mirror example.com/graph@v0.9.0 on the connected side")
	e.restart(func(o *Options) { o.AllowUnrecorded = true })
	e.want(logURL+"lookup/example.com/graph@v0.9.0", http.StatusNotFound,
		"example.com/graph@v0.9.0 is not in the checksum snapshot of 2026-11-20; run modferry mirror example.com/graph@v0.9.0 on the connected side")
}

func TestAPartialStoreServesWhatItHas(t *testing.T) {
	l := loggedLog(t)
	e := newEnv(t, withLog(l))
	e.mirror(l, l.snapshot(nil), logged[1])
	e.client(l, nil).verify(t, logged[1])
	_, err := e.client(l, nil).lookup(logged[0].m)
	if err == nil || !strings.Contains(err.Error(), "not found: example.com/lib@v1.2.3 is not in ") || !strings.Contains(err.Error(), "modferry mirror") {
		t.Error(err)
	}
	if misses := e.handler.Wishes(true); len(misses) != 1 || misses[0].Module != logged[0].m {
		t.Errorf("misses: %v", misses)
	}
}

func TestEvidenceInACompanion(t *testing.T) {
	l := loggedLog(t)
	e := newEnv(t, withLog(l))
	s := l.snapshot(nil)
	e.mirror(l, s)
	e.publish(logged[0])
	e.publish(logged[3])
	check(t, e.store.PublishEvidence(t.Context(), l.evidence(s, logged[0].m), e.signer))
	e.client(l, nil).verify(t, logged[0])

	// One that comes later.
	e.want(graphURL+".mod", http.StatusForbidden, "no record of the checksum database confirms it")
	check(t, e.store.PublishEvidence(t.Context(), l.evidence(s, logged[3].m), e.signer))
	e.want(graphURL+".mod", http.StatusOK, "module")
	e.client(l, nil).verify(t, logged[3])
}

func TestPrivateModulesAreNotLookedAt(t *testing.T) {
	l := loggedLog(t)
	e := newEnv(t, withLog(l), func(o *Options) { o.Private = "example.com/lib,*.corp.example" })
	evidence := l.evidence(l.snapshot(nil), logged[0].m)
	evidence.Record = []byte("5\nexample.com/other v1.0.0 h1:x\n\n") // not even when there is some
	evidence.Tiles = nil
	e.publishWith(logged[0], evidence)
	got := e.requests(func() {
		e.want(libURL+".zip", http.StatusOK, "PK")
		e.want(logURL+"lookup/example.com/lib@v1.2.3", http.StatusNotFound, "example.com/lib@v1.2.3 is private here")
		e.want(logURL+"lookup/git.corp.example/x@v1.0.0", http.StatusNotFound, "set GONOSUMDB=example.com/lib,*.corp.example")
	})
	if strings.Contains(strings.Join(got, "\n"), "sumdb") {
		t.Errorf("requests: %v", got)
	}
	if misses := e.handler.Wishes(true); len(misses) > 0 {
		t.Errorf("misses: %v", misses)
	}
}

func TestOtherLogsAndTilesThatDoNotExist(t *testing.T) {
	l := loggedLog(t)
	e := newEnv(t, withLog(l))
	e.mirror(l, l.snapshot(nil), logged[0])
	e.want("/sumdb/sum.golang.org/latest", http.StatusNotFound, "served here is sums.corp.example/log")
	e.want("/sumdb/sum.golang.org/lookup/example.com/lib@v1.2.3", http.StatusNotFound, "GOSUMDB")
	e.want(logURL+"tile/8/data/000", http.StatusNotFound, "no such tile")
	e.want(logURL+"tile/7/0/000", http.StatusNotFound, "no such tile")
	e.want(logURL+"tile/8/0/000/1", http.StatusBadRequest, "neither latest, lookup nor tile")
	e.want(logURL+"lookup/example.com/lib@master", http.StatusBadRequest, "not a semantic version")
	e.want(logURL+"tile/8/0/002", http.StatusNotFound, "tile/8/0/002 of sums.corp.example/log is neither in the checksum snapshot")
	for _, path := range []string{"latest", "tile/8/1/000.p/4", "tile/8/0/004.p/76", "lookup/example.com/lib@v1.2.3"} {
		resp, err := http.Get(e.url + logURL + path)
		check(t, err)
		_ = resp.Body.Close()
		want := typeText
		if strings.HasPrefix(path, "tile") {
			want = typeTile
		}
		if resp.StatusCode != http.StatusOK || resp.Header.Get("Content-Type") != want || resp.ContentLength <= 0 {
			t.Errorf("%s: %s %v", path, resp.Status, resp.Header)
		}
	}
}

func TestStoresThatFailAtTheSameTimeAreAllNamed(t *testing.T) {
	l := loggedLog(t)
	url := registrytest.New(t, registrytest.Options{}).URL
	client, err := remote.NewClient(remote.ClientOptions{Transport: &transport{base: http.DefaultTransport, fault: respond("/private", http.StatusForbidden, "text/plain", "no")}})
	check(t, err)
	router, err := stores.Route(client, "example.com/graph="+url+"/private,"+url+"/golang")
	check(t, err)
	e := newEnvOn(t, url+"/golang", withLog(l), func(o *Options) { o.Stores = router })
	for _, s := range router.Stores() {
		if strings.HasSuffix(s.String(), "/golang") {
			e.handler.outages.begin(s.String(), registry.ErrUnavailable)
		}
	}
	next := e.handler.search(e.handler.policy(), true).Run(t.Context(), verify.Newest{Snapshot: l.snapshot(nil)})
	if len(next.Faults) != 2 {
		t.Errorf("faults %v", next.Faults)
	}
}
