package sumdbtest

import (
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"

	"golang.org/x/mod/module"
	"golang.org/x/mod/sumdb"
	"golang.org/x/mod/sumdb/dirhash"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// Name is the name of a [Server]'s log.
const Name = "sum.example.com"

// filler is the module whose versions [Server.Grow] makes up.
const filler = "filler.example/module"

// GoSum returns the lines of a go.sum for a version; an error if there is no such version.
type GoSum func(path, version string) ([]byte, error)

// Server is a checksum database that records what is true of a version when it is first asked.
type Server struct {
	*httptest.Server
	Private, Public string                                  // keys
	Tamper          func(path string, answer []byte) []byte // of every answer; nil = honest

	mu       sync.Mutex
	log      *sumdb.TestServer
	grown    int
	requests []string // paths
}

// NewServer starts a database with a key of its own. The caller closes it.
func NewServer(sums GoSum) (*Server, error) {
	private, public, err := note.GenerateKey(rand.Reader, Name)
	if err != nil {
		return nil, err
	}
	return NewServerWithKey(private, public, sums), nil
}

// NewServerWithKey starts a database with a key that another one has, too.
func NewServerWithKey(private, public string, sums GoSum) *Server {
	s := &Server{Private: private, Public: public}
	s.Rewrite("", sums)
	s.Server = httptest.NewServer(http.HandlerFunc(s.serve))
	return s
}

// Rewrite makes the database forget everything and record other things from now on. The made-up records
// depend on salt, which is Base64.
func (s *Server) Rewrite(salt string, sums GoSum) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.grown = 0
	s.log = sumdb.NewTestServer(s.Private, func(path, version string) ([]byte, error) {
		if path == filler {
			sum := "h1:" + salt + strings.Repeat("A", 43-len(salt)) + "="
			return fmt.Appendf(nil, "%s %s %s\n%s %s/go.mod %s\n", path, version, sum, path, version, sum), nil
		}
		return sums(path, version)
	})
}

func (s *Server) serve(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	s.requests = append(s.requests, r.URL.Path)
	log := s.log
	s.mu.Unlock()
	defer func() {
		if recover() != nil { // the log of the library panics where it has no tile
			http.NotFound(w, r)
		}
	}()
	if s.Tamper == nil {
		sumdb.NewServer(log).ServeHTTP(w, r)
		return
	}
	answer := httptest.NewRecorder()
	sumdb.NewServer(log).ServeHTTP(answer, r)
	w.WriteHeader(answer.Code)
	_, _ = w.Write(s.Tamper(r.URL.Path, answer.Body.Bytes()))
}

// GOSUMDB returns the variable's value that has the go command ask this database.
func (s *Server) GOSUMDB() string { return s.Public + " " + s.URL }

// Grow adds n records of modules that nobody mirrors, and returns the head that is signed then.
func (s *Server) Grow(ctx context.Context, n int) ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for range n {
		s.grown++
		m := module.Version{Path: filler, Version: fmt.Sprintf("v0.0.%d", s.grown)}
		if _, err := s.log.Lookup(ctx, m); err != nil {
			return nil, err
		}
	}
	return s.log.Signed(ctx)
}

// Lookup records a version, if it is new, and returns what the database answers about it.
func (s *Server) Lookup(ctx context.Context, m module.Version) ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	id, err := s.log.Lookup(ctx, m)
	if err != nil {
		return nil, err
	}
	records, err := s.log.ReadRecords(ctx, id, 1)
	if err != nil {
		return nil, err
	}
	text, err := tlog.FormatRecord(id, records[0])
	if err != nil {
		return nil, err
	}
	head, err := s.log.Signed(ctx)
	return append(text, head...), err
}

// Tile is a sumdb.TileFunc.
func (s *Server) Tile(ctx context.Context, t tlog.Tile) ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.log.ReadTileData(ctx, t)
}

// Requests returns the paths asked for since it was last called.
func (s *Server) Requests() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := s.requests
	s.requests = nil
	return all
}

// Lines returns the lines of a go.sum for a version, given its files.
func Lines(m module.Version, zipFile, modFile string) ([]byte, error) {
	zip, err := dirhash.HashZip(zipFile, dirhash.Hash1)
	if err != nil {
		return nil, err
	}
	mod, err := dirhash.Hash1([]string{"go.mod"}, func(string) (io.ReadCloser, error) { return os.Open(modFile) })
	if err != nil {
		return nil, err
	}
	return fmt.Appendf(nil, "%s %s %s\n%s %s/go.mod %s\n", m.Path, m.Version, zip, m.Path, m.Version, mod), nil
}
