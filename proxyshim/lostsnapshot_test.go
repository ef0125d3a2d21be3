package proxyshim

import (
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// loseSnapshot takes the snapshot out of the cache, and has the store answer so when it is asked for one.
func (e *env) loseSnapshot(status int, code string) {
	e.t.Helper()
	check(e.t, os.Remove(filepath.Join(e.handler.sums.files.Dir, "snapshot")))
	e.transport.inject(respond("/sumdb/", status, "application/json", `{"errors":[{"code":"`+code+`","message":"no snapshot for you"}]}`))
	e.restart()
}

func TestWhatWaitsForItsRecordIsNotServedBecauseTheSnapshotCannotBeRead(t *testing.T) {
	l := loggedLog(t)
	e := newEnv(t, withLog(l))
	e.publish(evil)
	e.want(libURL+".zip", http.StatusOK, "PK")
	e.publishSnapshot(l.snapshot(nil))
	e.clock.advance(time.Hour)
	e.want(libURL+".zip", http.StatusForbidden, "no record of the checksum database confirms it")
	e.loseSnapshot(http.StatusForbidden, "DENIED")
	e.want(libURL+".zip", http.StatusForbidden, "no snapshot for you")
	e.transport.inject(nil)
	e.clock.advance(time.Hour)
	e.want(libURL+".zip", http.StatusForbidden, "no record of the checksum database confirms it")
}

func TestARecordInTheCacheContradictsAnotherManifestWithoutASnapshot(t *testing.T) {
	l := loggedLog(t)
	e := newEnv(t, withLog(l))
	e.mirror(l, l.snapshot(nil), logged[0])
	e.want(libURL+".zip", http.StatusOK, "PK")
	e.loseSnapshot(http.StatusNotFound, "MANIFEST_UNKNOWN")
	e.replace(evil, l.beyondHead(evil))
	e.clock.advance(time.Hour)
	e.want(libURL+".zip", http.StatusForbidden, "SECURITY: example.com/lib@v1.2.3: zip differs from the checksum database")
}
