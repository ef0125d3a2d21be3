package proxyshim

import (
	"bytes"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/module"

	"github.com/modferry/modferry/artifact"
)

// evil is what whoever holds the signing key would have served in the place of logged[0].
var evil = content{m: logged[0].m, text: "evil"}

// replace puts c into the store with that evidence, over whatever is there under its tag.
func (e *env) replace(c content, evidence artifact.Evidence) {
	e.t.Helper()
	a, err := artifact.Build(artifact.Files{
		Module: c.m, Info: c.info(), GoMod: c.gomod(), ZipFile: c.zip(e.t), SumDB: evidence.Record, Tiles: evidence.Tiles,
	})
	check(e.t, err)
	e.push(a, c.m.Path, c.m.Version, a.Raw)
}

// beyondHead returns a record of c, with the sums of c, that no head covers.
func (l *testLog) beyondHead(c content) artifact.Evidence {
	m := build(l.tb, c).Manifest
	record := strings.Join([]string{"70000", c.m.String() + " " + m.Sum, c.m.String() + "/go.mod " + m.GoModSum, "", ""}, "\n")
	return artifact.Evidence{Module: c.m, Record: []byte(strings.ReplaceAll(record, "@", " "))}
}

// Everything here carries a good signature by the mirror's key.
func TestAPublicVersionNeedsARecordThatLeadsToTheHead(t *testing.T) {
	l := loggedLog(t)
	s := l.snapshot(nil)
	noTile := l.evidence(s, evil.m)
	noTile.Tiles = nil
	noTile.Record = bytes.Replace(l.beyondHead(evil).Record, []byte("70000"), []byte("700"), 1)
	for _, test := range []struct {
		name     string
		evidence artifact.Evidence
		why      string
	}{
		{"without a record", artifact.Evidence{}, "none is stored with it"},
		{"with a record beyond the head", l.beyondHead(evil), "newer than the checksum snapshot"},
		{"with a record whose tile nobody has", noTile, "level-0 tile is not in the checksum snapshot"},
	} {
		t.Run(test.name, func(t *testing.T) {
			e := newEnv(t, withLog(l))
			e.publishSnapshot(s)
			e.replace(evil, test.evidence)
			e.wantRefused(evil, test.why)
			e.want(libURL+".zip", http.StatusForbidden, "run modferry mirror example.com/lib@v1.2.3 on the connected side")
			if misses := e.handler.Wishes(true); len(misses) != 1 || misses[0].Module != evil.m {
				t.Errorf("misses %v: mirror would complete it", misses)
			}
			e.restart(func(o *Options) { o.AllowUnrecorded = true })
			e.want(libURL+".zip", http.StatusOK, "PK")
			if !strings.Contains(e.log.String(), "without the word of the checksum database") {
				t.Errorf("log:\n%s", e.log)
			}
			e.restart(func(o *Options) { o.Private, o.AllowUnrecorded = "example.com", false })
			e.want(libURL+".zip", http.StatusOK, "PK")

			// What was accepted by other options is not served by these, not even in an outage.

			e.restart(func(o *Options) { o.Private = "" })
			e.transport.inject(down)
			e.want(libURL+".zip", http.StatusBadGateway, "registry not available")
			e.transport.inject(nil)
			e.want(libURL+".zip", http.StatusForbidden, "SECURITY: ")
		})
	}
}

// The log says of a version what it always said, whoever brought the record.
func TestARecordInTheCacheCountsWhenTheStoreHasNoneAnyMore(t *testing.T) {
	l := loggedLog(t)
	good, again := logged[0], logged[0]
	again.origin = "0123456789" // another manifest of the same module
	for _, test := range []struct {
		name     string
		evidence artifact.Evidence
	}{
		{"left out", artifact.Evidence{}},
		{"beyond the head", l.beyondHead(evil)},
	} {
		for _, allow := range []bool{false, true} {
			t.Run(test.name, func(t *testing.T) {
				e := newEnv(t, withLog(l), func(o *Options) { o.AllowUnrecorded = allow })
				e.mirror(l, l.snapshot(nil), good)
				_, zip := e.get(libURL + ".zip")

				e.replace(again, artifact.Evidence{})
				e.clock.advance(time.Hour)
				e.want(libURL+".info", http.StatusOK, again.origin)
				if _, now := e.get(libURL + ".zip"); now != zip {
					t.Error("another zip")
				}
				e.client(l, nil).verify(t, again)

				e.replace(evil, test.evidence)
				e.clock.advance(time.Hour)
				e.want(libURL+".zip", http.StatusForbidden, "SECURITY: example.com/lib@v1.2.3: zip differs from the checksum database")
			})
		}
	}
}

func TestAVersionCachedBeforeThereWasASnapshotWaitsForItsRecord(t *testing.T) {
	l := loggedLog(t)
	e := newEnv(t, withLog(l))
	s := l.snapshot(nil)
	e.publish(logged[0])
	e.want(libURL+".zip", http.StatusOK, "PK")
	zip := filepath.Join(e.options.CacheDir, filepath.FromSlash(libURL)) + ".zip"
	before, err := os.Stat(zip)
	check(t, err)
	e.publishSnapshot(s)
	e.clock.advance(time.Hour)
	e.want(libURL+".zip", http.StatusForbidden, "no record of the checksum database confirms it")
	check(t, e.store.PublishEvidence(t.Context(), l.evidence(s, logged[0].m), e.signer))
	e.want(libURL+".zip", http.StatusOK, "PK")
	if after, err := os.Stat(zip); err != nil || !os.SameFile(before, after) {
		t.Errorf("the zip was fetched again: %v", err)
	}
}

func TestANewSnapshotCountsForWhatIsCachedWithoutARecord(t *testing.T) {
	l := loggedLog(t)
	e := newEnv(t, withLog(l))
	e.publish(evil)
	e.want(libURL+".zip", http.StatusOK, "PK")
	e.mirror(l, l.snapshot(nil), logged[3])
	e.clock.advance(30 * time.Minute)
	e.newSnapshotIsSeen()
	e.want(libURL+".zip", http.StatusForbidden, "SECURITY: ")
	other := module.Version{Path: "example.com/graph", Version: "v0.9.0"}
	e.client(l, nil).verify(t, content{m: other})
}

// newSnapshotIsSeen makes the shim notice a snapshot before the next re-check, as a lookup does.
func (e *env) newSnapshotIsSeen() {
	e.t.Helper()
	_, err := e.handler.newest(e.t.Context(), true)
	check(e.t, err)
}
