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
	"path/filepath"
	"strings"
	"sync/atomic"
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
	requests        atomic.Int32
	tamper          func(path string, answer []byte) []byte // nil = honest
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
		return goSumLines(t, tree, module.Version{Path: path, Version: version})
	}))
	log.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		log.requests.Add(1)
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
	zip, err := artifact.ZipSum(tree.file(t, version, ".zip"))
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
	c, err := NewChecksums(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestChecksumsVouchForWhatTheyRecorded(t *testing.T) {
	tree := newTree(t, "example.com/Upper/a@v1.0.0", "example.com/a@v1.0.0")
	log := newLog(t, tree)
	up := newUpstream(t, tree.url())
	for _, dir := range []string{"", t.TempDir()} {
		c := newChecksums(t, ChecksumOptions{GOSUMDB: log.gosumdb(), Upstream: up, CacheDir: dir})
		for _, v := range []string{"example.com/Upper/a@v1.0.0", "example.com/a@v1.0.0"} {
			zip, mod := treeSums(t, tree, v)
			if pinned, err := c.Check(t.Context(), parseModule(t, v), zip, mod); !pinned || err != nil {
				t.Errorf("%s: %v, %v", v, pinned, err)
			}
			if pinned, err := c.Check(t.Context(), parseModule(t, v), "", mod); !pinned || err != nil {
				t.Errorf("%s mod-only: %v, %v", v, pinned, err)
			}
			for _, sums := range [][2]string{{mod, mod}, {zip, zip}, {"", zip}} {
				pinned, err := c.Check(t.Context(), parseModule(t, v), sums[0], sums[1])
				var mismatch *ChecksumError
				if !errors.As(err, &mismatch) || !errors.Is(err, ErrChecksum) || !strings.HasPrefix(err.Error(), "SECURITY: "+v) {
					t.Errorf("%s with other sums: %v, %v", v, pinned, err)
				}
			}
		}
		if c.Name() != testLogName {
			t.Error(c.Name())
		}
	}
}

func TestChecksumsKeepWhatTheyLearnt(t *testing.T) {
	tree := newTree(t, versionA.String())
	log := newLog(t, tree)
	zip, mod := treeSums(t, tree, versionA.String())
	o := ChecksumOptions{GOSUMDB: log.gosumdb(), Upstream: newUpstream(t, tree.url()), CacheDir: t.TempDir()}
	for range 2 {
		if pinned, err := newChecksums(t, o).Check(t.Context(), versionA, zip, mod); !pinned || err != nil {
			t.Fatal(pinned, err)
		}
		log.Close() // the second time there is nobody to ask
	}
}

func TestChecksumsAreNeverAskedAboutPrivateModules(t *testing.T) {
	log := newLog(t, newTree(t))
	c := newChecksums(t, ChecksumOptions{GOSUMDB: log.gosumdb(), NoSumDB: "corp.example,*.internal.example", Upstream: newUpstream(t, "off")})
	for _, path := range []string{"corp.example/secret", "git.internal.example/x"} {
		if pinned, err := c.Check(t.Context(), module.Version{Path: path, Version: "v1.0.0"}, "h1:x", "h1:y"); pinned || err != nil {
			t.Error(pinned, err)
		}
	}
	if n := log.requests.Load(); n != 0 {
		t.Errorf("%d requests", n)
	}
	var none *Checksums
	if pinned, err := none.Check(t.Context(), versionA, "h1:x", "h1:y"); pinned || err != nil || none.Name() != "" {
		t.Error(pinned, err)
	}
}

func TestChecksumsWithoutAnAnswerAreAnError(t *testing.T) {
	tree := newTree(t, versionA.String())
	zip, mod := treeSums(t, tree, versionA.String())
	log := newLog(t, tree)
	other := newLog(t, tree)
	for _, tt := range []struct {
		name    string
		module  module.Version
		gosumdb string
		tamper  func(string, []byte) []byte
		is      error
		text    string
	}{
		{"unknown to the database", module.Version{Path: "example.com/b", Version: "v1.0.0"}, log.gosumdb(), nil, nil, "--private"},
		{"down", versionA, log.public + " http://127.0.0.1:1", nil, ErrUpstream, "refused"},
		{"another key", versionA, other.public + " " + log.URL, nil, nil, "note"},
		{"garbage", versionA, log.gosumdb(), func(string, []byte) []byte { return []byte("<html>") }, nil, testLogName},
		{"forged record", versionA, log.gosumdb(), func(path string, b []byte) []byte {
			return []byte(strings.Replace(string(b), " v1.0.0 h1:", " v1.0.0 h1:AAAA", 1))
		}, nil, testLogName},
		{"forged tile", versionA, log.gosumdb(), func(path string, b []byte) []byte {
			if strings.HasPrefix(path, "/tile/") && len(b) > 0 {
				b[0] ^= 1
			}
			return b
		}, nil, testLogName},
	} {
		t.Run(tt.name, func(t *testing.T) {
			log.tamper = tt.tamper
			defer func() { log.tamper = nil }()
			c := newChecksums(t, ChecksumOptions{GOSUMDB: tt.gosumdb, Upstream: newUpstreamWith(t, UpstreamOptions{GOPROXY: tree.url(), Retries: -1})})
			pinned, err := c.Check(t.Context(), tt.module, zip, mod)
			if pinned || err == nil || !strings.Contains(err.Error(), tt.text) || !strings.Contains(err.Error(), tt.module.String()) {
				t.Errorf("%v, %v", pinned, err)
			}
			if tt.is != nil && !errors.Is(err, tt.is) {
				t.Errorf("%v is not %v", err, tt.is)
			}
		})
	}
}

func TestChecksumsNoticeThatHistoryWasRewritten(t *testing.T) {
	before := newTree(t, "example.com/a@v1.0.0", "example.com/b@v1.0.0")
	after := newTree(t, "example.com/b@v1.0.0", "example.com/c@v1.0.0")
	log := newLog(t, before)
	forked := newLogWithKey(t, after, log.private, log.public)
	o := ChecksumOptions{Upstream: newUpstream(t, before.url()), CacheDir: t.TempDir()}
	check := func(log *testLog, tree testTree, version string) error {
		o.GOSUMDB = log.gosumdb()
		zip, mod := treeSums(t, tree, version)
		_, err := newChecksums(t, o).Check(t.Context(), parseModule(t, version), zip, mod)
		return err
	}
	if err := check(log, before, "example.com/a@v1.0.0"); err != nil {
		t.Fatal(err)
	}
	err := check(forked, after, "example.com/c@v1.0.0")
	if !errors.Is(err, ErrChecksum) || !strings.HasPrefix(err.Error(), "SECURITY") {
		t.Error(err)
	}
}

func TestChecksumsAreReadThroughTheProxyThatCarriesThem(t *testing.T) {
	tree := newTree(t, versionA.String())
	zip, mod := treeSums(t, tree, versionA.String())
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
		if pinned, err := c.Check(t.Context(), versionA, zip, mod); pinned != tt.ok || (err == nil) != tt.ok {
			t.Errorf("%s: %v, %v", tt.goproxy, pinned, err)
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
	c, err := NewChecksums(ctx, ChecksumOptions{GOSUMDB: log.public + " " + hangs.URL, Upstream: newUpstream(t, "off")})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Check(ctx, versionA, "h1:x", "h1:y"); !errors.Is(err, context.Canceled) {
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
		c, err := NewChecksums(t.Context(), ChecksumOptions{GOSUMDB: tt.gosumdb, Upstream: up})
		if err != nil || c.Name() != tt.name || c != nil && c.ops.own.name != tt.from {
			t.Errorf("%q: %q, %v", tt.gosumdb, c.Name(), err)
		}
	}
	for _, bad := range []string{"nonsense", "a b c", "sum.golang.org ftp://x.example", "sum.example.com+00000000+AAAA"} {
		if _, err := NewChecksums(t.Context(), ChecksumOptions{GOSUMDB: bad, Upstream: up}); err == nil || !strings.HasPrefix(err.Error(), "GOSUMDB") {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

func TestChecksumCacheSurvivesAnUnwritableDirectory(t *testing.T) {
	tree := newTree(t, versionA.String())
	log := newLog(t, tree)
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	zip, mod := treeSums(t, tree, versionA.String())
	c := newChecksums(t, ChecksumOptions{GOSUMDB: log.gosumdb(), Upstream: newUpstream(t, "off"), CacheDir: filepath.Join(file, "sub")})
	if pinned, err := c.Check(t.Context(), versionA, zip, mod); pinned || err == nil {
		t.Error("no state could be kept, which would hide a rewritten history:", pinned, err)
	}
}
