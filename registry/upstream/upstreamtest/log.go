package upstreamtest

import (
	"crypto/rand"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"

	"golang.org/x/mod/module"
	"golang.org/x/mod/sumdb"
	"golang.org/x/mod/sumdb/dirhash"
	"golang.org/x/mod/sumdb/note"

	"github.com/modferry/modferry/artifact"
)

// testLog is a checksum database that records what a tree has when it is first asked.
type Log struct {
	*httptest.Server
	Private, Public string
	Tamper          func(path string, answer []byte) []byte // nil = honest

	mu    sync.Mutex
	asked []string // paths
	grown int
}

const LogName = "sum.example.com"

func NewLog(t testing.TB, tree Tree) *Log {
	t.Helper()
	private, public, err := note.GenerateKey(rand.Reader, LogName)
	if err != nil {
		t.Fatal(err)
	}
	return NewLogWithKey(t, tree, private, public)
}

func NewLogWithKey(t testing.TB, tree Tree, private, public string) *Log {
	t.Helper()
	log := &Log{Private: private, Public: public}
	handler := sumdb.NewServer(sumdb.NewTestServer(private, func(path, version string) ([]byte, error) {
		if strings.HasPrefix(path, "filler.example/") {
			return fmt.Appendf(nil, "%s %s %s\n%s %s/go.mod %s\n", path, version, SumA, path, version, SumB), nil
		}
		return goSumLines(t, tree, module.Version{Path: path, Version: version})
	}))
	log.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		log.mu.Lock()
		log.asked = append(log.asked, r.URL.Path)
		log.mu.Unlock()
		defer func() {
			if recover() != nil { // the log of the library panics where it has no tile
				w.WriteHeader(http.StatusNotFound)
			}
		}()
		if log.Tamper == nil {
			handler.ServeHTTP(w, r)
			return
		}
		answer := httptest.NewRecorder()
		handler.ServeHTTP(answer, r)
		w.WriteHeader(answer.Code)
		_, _ = w.Write(log.Tamper(r.URL.Path, answer.Body.Bytes()))
	}))
	t.Cleanup(log.Close)
	return log
}

func (l *Log) GOSUMDB() string { return l.Public + " " + l.URL }

// grow adds n records of modules that nobody mirrors.
func (l *Log) Grow(t testing.TB, n int) {
	t.Helper()
	for range n {
		l.grown++
		resp, err := http.Get(fmt.Sprintf("%s/lookup/filler.example/m@v1.0.%d", l.URL, l.grown))
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			t.Fatal(resp.Status)
		}
	}
}

// requests returns the number of requests for paths that contain part, and forgets all.
func (l *Log) Requests(part string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := 0
	for _, path := range l.asked {
		if strings.Contains(path, part) {
			n++
		}
	}
	l.asked = nil
	return n
}

func goSumLines(t testing.TB, tree Tree, m module.Version) ([]byte, error) {
	zip, err := dirhash.HashZip(tree.File(t, m.String(), ".zip"), dirhash.Hash1)
	if err != nil {
		return nil, err
	}
	mod, err := dirhash.Hash1([]string{"go.mod"}, func(string) (io.ReadCloser, error) {
		return os.Open(tree.File(t, m.String(), ".mod"))
	})
	if err != nil {
		return nil, err
	}
	return fmt.Appendf(nil, "%s %s %s\n%s %s/go.mod %s\n", m.Path, m.Version, zip, m.Path, m.Version, mod), nil
}

// treeSums returns the sums of a version in a tree.
func TreeSums(t testing.TB, tree Tree, version string) (zip, mod string) {
	t.Helper()
	zip, err := dirhash.HashZip(tree.File(t, version, ".zip"), dirhash.Hash1)
	if err != nil {
		t.Fatal(err)
	}
	mod, err = artifact.GoModSum([]byte(ReadAll(t, tree.File(t, version, ".mod"))))
	if err != nil {
		t.Fatal(err)
	}
	return zip, mod
}
