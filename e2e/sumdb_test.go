package e2e

import (
	"context"
	"crypto/rand"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"
	"golang.org/x/mod/module"
	"golang.org/x/mod/sumdb/note"

	"github.com/modferry/modferry/artifact/goproxy"
	"github.com/modferry/modferry/artifact/sumdb/sumdbtest"
)

// logKey finds the script's checksum database, a *sumLog, in its values.
type logKey struct{}

// sumLog is a checksum database of a script's own. It lives as long as the script, so a version that changes
// after it was recorded contradicts it.
type sumLog struct {
	*sumdbtest.Server
	asked []string // paths
}

// sumdb TREE starts a checksum database that records the versions of a GOPROXY tree as they are asked for. It
// sets $GOSUMDB to its key and URL, for the connected side, and $SUMDB_KEY to the key alone, which is all that
// a client inside knows; $OTHER_KEY is one of the same name that it does not have. Given again, the database at that URL, with that key, forgets what it has recorded.
func cmdSumDB(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 1 || neg {
		ts.Fatalf("usage: sumdb TREE")
	}
	tree := ts.MkAbs(args[0])
	goSum := func(path, version string) ([]byte, error) { return goSumLines(tree, path, version) }
	l := ts.Value(logKey{}).(*sumLog)
	if l.Server != nil {
		l.Rewrite("", goSum)
		return
	}
	_, other, err := note.GenerateKey(rand.Reader, sumdbtest.Name)
	ts.Check(err)
	l.Server, err = sumdbtest.NewServer(goSum)
	ts.Check(err)
	ts.Defer(l.Close)
	ts.Setenv("OTHER_KEY", other)
	ts.Setenv("SUMDB_KEY", l.Public)
	ts.Setenv("SUMDB_URL", l.URL)
	ts.Setenv("GOSUMDB", l.GOSUMDB())
}

// grow N adds N records of versions nobody has asked for, as time does.
func cmdGrow(ts *testscript.TestScript, neg bool, args []string) {
	l := ts.Value(logKey{}).(*sumLog)
	if len(args) != 1 || neg || l.Server == nil {
		ts.Fatalf("usage: grow N, after sumdb")
	}
	n, err := strconv.Atoi(args[0])
	ts.Check(err)
	_, err = l.Grow(context.Background(), n)
	ts.Check(err)
}

// asked TEXT succeeds when the checksum database was asked for a path that contains TEXT.
func cmdAsked(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 1 {
		ts.Fatalf("usage: [!] asked TEXT")
	}
	l := ts.Value(logKey{}).(*sumLog)
	l.asked = append(l.asked, l.Requests()...)
	all := strings.Join(l.asked, "\n")
	if strings.Contains(all, args[0]) == neg {
		ts.Fatalf("the checksum database was asked for:\n%s", all)
	}
}

// goSumLines are the two go.sum lines of a version in a GOPROXY tree.
func goSumLines(tree, path, version string) ([]byte, error) {
	m := module.Version{Path: path, Version: version}
	name, err := goproxy.Base(m)
	if err != nil {
		return nil, err
	}
	base := filepath.Join(tree, filepath.FromSlash(name))
	return sumdbtest.Lines(m, base+".zip", base+".mod")
}
