package mirror

import (
	"context"
	"crypto/rand"
	"errors"
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
type testLog struct {
	*httptest.Server
	private, public string
	tamper          func(path string, answer []byte) []byte // nil = honest

	mu    sync.Mutex
	asked []string // paths
	grown int
}

const testLogName = "sum.example.com"

func newLog(t testing.TB, tree testTree) *testLog {
	t.Helper()
	private, public, err := note.GenerateKey(rand.Reader, testLogName)
	if err != nil {
		t.Fatal(err)
	}
	return newLogWithKey(t, tree, private, public)
}

func newLogWithKey(t testing.TB, tree testTree, private, public string) *testLog {
	t.Helper()
	log := &testLog{private: private, public: public}
	handler := sumdb.NewServer(sumdb.NewTestServer(private, func(path, version string) ([]byte, error) {
		if strings.HasPrefix(path, "filler.example/") {
			return fmt.Appendf(nil, "%s %s %s\n%s %s/go.mod %s\n", path, version, sumA, path, version, sumB), nil
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
		if log.tamper == nil {
			handler.ServeHTTP(w, r)
			return
		}
		answer := httptest.NewRecorder()
		handler.ServeHTTP(answer, r)
		w.WriteHeader(answer.Code)
		_, _ = w.Write(log.tamper(r.URL.Path, answer.Body.Bytes()))
	}))
	t.Cleanup(log.Close)
	return log
}

func (l *testLog) gosumdb() string { return l.public + " " + l.URL }

// grow adds n records of modules that nobody mirrors.
func (l *testLog) grow(t testing.TB, n int) {
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
func (l *testLog) requests(part string) int {
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

func goSumLines(t testing.TB, tree testTree, m module.Version) ([]byte, error) {
	zip, err := dirhash.HashZip(tree.file(t, m.String(), ".zip"), dirhash.Hash1)
	if err != nil {
		return nil, err
	}
	mod, err := dirhash.Hash1([]string{"go.mod"}, func(string) (io.ReadCloser, error) {
		return os.Open(tree.file(t, m.String(), ".mod"))
	})
	if err != nil {
		return nil, err
	}
	return fmt.Appendf(nil, "%s %s %s\n%s %s/go.mod %s\n", m.Path, m.Version, zip, m.Path, m.Version, mod), nil
}

// treeSums returns the sums of a version in a tree.
func treeSums(t testing.TB, tree testTree, version string) (zip, mod string) {
	t.Helper()
	zip, err := dirhash.HashZip(tree.file(t, version, ".zip"), dirhash.Hash1)
	if err != nil {
		t.Fatal(err)
	}
	mod, err = artifact.GoModSum([]byte(readAll(t, tree.file(t, version, ".mod"))))
	if err != nil {
		t.Fatal(err)
	}
	return zip, mod
}

func newChecksums(t testing.TB, o ChecksumOptions) *Checksums {
	t.Helper()
	c, err := NewChecksums(o)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestChecksumsAreNeverAskedAboutPrivateModules(t *testing.T) {
	c := newChecksums(t, ChecksumOptions{GOSUMDB: newLog(t, newTree(t)).gosumdb(), NoSumDB: "corp.example,*.internal.example", Upstream: newUpstream(t, "off")})
	for path, covered := range map[string]bool{
		"corp.example/secret": false, "git.internal.example/x": false, "corp.example.com/x": true, "example.com/a": true,
	} {
		if c.covers(path) != covered {
			t.Errorf("%s is covered: %v", path, !covered)
		}
	}
	var none *Checksums
	if none.covers("example.com/a") || none.Name() != "" {
		t.Error("a database that is none has a name or covers something")
	}
}

func TestChecksumsAreReadThroughTheProxyThatCarriesThem(t *testing.T) {
	tree := newTree(t, versionA.String())
	log := newLog(t, tree)
	carries := newProxy(t, tree, func(w http.ResponseWriter, r *http.Request) bool {
		rest, ok := strings.CutPrefix(r.URL.Path, "/sumdb/"+testLogName)
		if !ok {
			return false
		}
		if rest == "/supported" {
			return true
		}
		r.URL.Path = rest
		log.Config.Handler.ServeHTTP(w, r)
		return true
	})
	without := newProxy(t, tree, nil)
	broken := newProxy(t, "", always(500, "no"))
	for _, tt := range []struct {
		goproxy string
		ok      bool
	}{
		{carries.URL, true},
		{without.URL + "," + carries.URL, true},
		{broken.URL + "|" + carries.URL, true},
		{tree.url() + "," + carries.URL + ",direct", true},
		{broken.URL + "," + carries.URL, false},
	} {
		up := newUpstreamWith(t, UpstreamOptions{GOPROXY: tt.goproxy, Retries: -1})
		c := newChecksums(t, ChecksumOptions{GOSUMDB: log.public, Upstream: up})
		_, err := c.lookup(t.Context(), versionA)
		if _, headErr := c.latest(t.Context()); (err == nil) != tt.ok || (headErr == nil) != tt.ok {
			t.Errorf("%s: %v, %v", tt.goproxy, err, headErr)
		}
	}
}

func TestChecksumsStopWithTheirContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	hangs := newProxy(t, "", func(_ http.ResponseWriter, r *http.Request) bool {
		cancel()
		<-r.Context().Done()
		return true
	})
	log := newLog(t, newTree(t))
	c := newChecksums(t, ChecksumOptions{GOSUMDB: log.public + " " + hangs.URL, Upstream: newUpstream(t, "off")})
	if _, err := c.lookup(ctx, versionA); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

func TestNewChecksumsReadsGOSUMDB(t *testing.T) {
	up := newUpstream(t, "off")
	for _, tt := range []struct{ gosumdb, name, from string }{
		{"", "sum.golang.org", "https://sum.golang.org"},
		{"sum.golang.org", "sum.golang.org", "https://sum.golang.org"},
		{"sum.golang.org https://sums.corp.example", "sum.golang.org", "https://sums.corp.example"},
		{"sum.golang.google.cn", "sum.golang.org", "https://sum.golang.google.cn"},
		{"off", "", ""},
	} {
		c, err := NewChecksums(ChecksumOptions{GOSUMDB: tt.gosumdb, Upstream: up})
		if err != nil || c.Name() != tt.name || c != nil && c.own.name != tt.from {
			t.Errorf("%q: %q, %v", tt.gosumdb, c.Name(), err)
		}
	}
	for _, bad := range []string{"nonsense", "a b c", "sum.golang.org ftp://x.example", "sum.example.com+00000000+AAAA"} {
		if _, err := NewChecksums(ChecksumOptions{GOSUMDB: bad, Upstream: up}); err == nil || !strings.HasPrefix(err.Error(), "GOSUMDB") {
			t.Errorf("%q: %v", bad, err)
		}
	}
}
