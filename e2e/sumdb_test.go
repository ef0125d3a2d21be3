package e2e

import (
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"

	"github.com/rogpeppe/go-internal/testscript"
	"golang.org/x/mod/module"
	"golang.org/x/mod/sumdb"
	"golang.org/x/mod/sumdb/dirhash"
	"golang.org/x/mod/sumdb/note"
)

// logKey finds the script's checksum database, a *sumLog, in its values.
type logKey struct{}

// sumLog is a checksum database of a script's own. It lives as long as the script, so a version that changes
// after it was recorded contradicts it.
type sumLog struct {
	private string

	mu       sync.Mutex
	log      *sumdb.TestServer
	requests []string // paths asked for
	filled   int      // records that grow made up
}

// sumdb TREE starts a checksum database that records the versions of a GOPROXY tree as they are asked for. It
// sets $GOSUMDB to its key and URL, for the connected side, and $SUMDB_KEY to the key alone, which is all that
// a client inside knows; $OTHER_KEY is one of the same name that it does not have. Given again, the database at that URL, with that key, forgets what it has recorded.
func cmdSumDB(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 1 || neg {
		ts.Fatalf("usage: sumdb TREE")
	}
	tree := ts.MkAbs(args[0])
	l := ts.Value(logKey{}).(*sumLog)
	l.mu.Lock()
	started := l.log != nil
	if !started {
		private, public, err := note.GenerateKey(rand.Reader, "sum.example.com")
		ts.Check(err)
		l.private = private
		_, other, err := note.GenerateKey(rand.Reader, "sum.example.com")
		ts.Check(err)
		ts.Setenv("OTHER_KEY", other)
		ts.Setenv("SUMDB_KEY", public)
	}
	l.filled = 0
	l.log = sumdb.NewTestServer(l.private, func(path, version string) ([]byte, error) {
		return goSumLines(tree, module.Version{Path: path, Version: version})
	})
	l.mu.Unlock()
	if !started {
		server := httptest.NewServer(l)
		ts.Defer(server.Close)
		ts.Setenv("SUMDB_URL", server.URL)
		ts.Setenv("GOSUMDB", ts.Getenv("SUMDB_KEY")+" "+server.URL)
	}
}

func (l *sumLog) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	l.mu.Lock()
	l.requests = append(l.requests, r.URL.Path)
	log := l.log
	l.mu.Unlock()
	defer func() {
		if recover() != nil { // the test server's way to say that there are no such hashes
			http.NotFound(w, r)
		}
	}()
	sumdb.NewServer(log).ServeHTTP(w, r)
}

// grow N adds N records of versions nobody has asked for, as time does.
func cmdGrow(ts *testscript.TestScript, neg bool, args []string) {
	l := ts.Value(logKey{}).(*sumLog)
	if len(args) != 1 || neg || l.log == nil {
		ts.Fatalf("usage: grow N, after sumdb")
	}
	n, err := strconv.Atoi(args[0])
	ts.Check(err)
	for range n {
		_, err := l.log.Lookup(context.Background(), module.Version{Path: filler, Version: fmt.Sprintf("v0.0.%d", l.filled)})
		ts.Check(err)
		l.filled++
	}
}

// asked TEXT succeeds when the checksum database was asked for a path that contains TEXT.
func cmdAsked(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 1 {
		ts.Fatalf("usage: [!] asked TEXT")
	}
	l := ts.Value(logKey{}).(*sumLog)
	l.mu.Lock()
	all := strings.Join(l.requests, "\n")
	l.mu.Unlock()
	if strings.Contains(all, args[0]) == neg {
		ts.Fatalf("the checksum database was asked for:\n%s", all)
	}
}

// filler is the module whose versions grow makes up.
const filler = "filler.example/module"

// goSumLines are the two go.sum lines of a version in a GOPROXY tree.
func goSumLines(tree string, m module.Version) ([]byte, error) {
	if m.Path == filler {
		return fmt.Appendf(nil, "%s %s h1:%s=\n", m.Path, m.Version, strings.Repeat("A", 43)), nil
	}
	escPath, err := module.EscapePath(m.Path)
	if err != nil {
		return nil, err
	}
	escVersion, err := module.EscapeVersion(m.Version)
	if err != nil {
		return nil, err
	}
	base := filepath.Join(tree, filepath.FromSlash(escPath), "@v", escVersion)
	zip, err := dirhash.HashZip(base+".zip", dirhash.Hash1)
	if err != nil {
		return nil, err
	}
	mod, err := dirhash.Hash1([]string{"go.mod"}, func(string) (io.ReadCloser, error) { return os.Open(base + ".mod") })
	if err != nil {
		return nil, err
	}
	return fmt.Appendf(nil, "%s %s %s\n%s %s/go.mod %s\n", m.Path, m.Version, zip, m.Path, m.Version, mod), nil
}
