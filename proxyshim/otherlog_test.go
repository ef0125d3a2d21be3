package proxyshim

import (
	"crypto/rand"
	"net/http"
	"testing"

	"golang.org/x/mod/sumdb/note"

	"github.com/modferry/modferry/artifact/sumdb"
)

// otherKey makes l a log of the same name with another key, as after a change of --sumdb.
func (l *testLog) otherKey() *testLog {
	l.tb.Helper()
	private, public, err := note.GenerateKey(rand.Reader, l.Name())
	check(l.tb, err)
	l.signer, err = note.NewSigner(private)
	check(l.tb, err)
	l.Log, err = sumdb.ParseLog(public)
	check(l.tb, err)
	return l
}

func TestARecordOfAnotherLogCountsForNothing(t *testing.T) {
	l, other := loggedLog(t), newTestLog(t, "other").otherKey().grow(300)
	e := newEnv(t, withLog(l))
	e.mirror(l, l.snapshot(nil), logged[0])
	e.want(libURL+".zip", http.StatusOK, "PK")
	e.forceSnapshot(other.snapshot(nil))
	e.restart(withLog(other))
	e.want(logURL+"latest", http.StatusOK, "\n300\n")
	e.want(libURL+".zip", http.StatusForbidden, "SECURITY: ")
}
