package e2e

import (
	"crypto/rand"
	"fmt"
	"io"
	"net/http/httptest"
	"os"
	"path/filepath"

	"github.com/rogpeppe/go-internal/testscript"
	"golang.org/x/mod/module"
	"golang.org/x/mod/sumdb"
	"golang.org/x/mod/sumdb/dirhash"
	"golang.org/x/mod/sumdb/note"
)

// sumdb TREE starts a checksum database that has recorded the GOPROXY tree and sets $GOSUMDB to it.
// Its log lives as long as the script, so a version that changes afterwards contradicts it.
func cmdSumDB(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 1 || neg {
		ts.Fatalf("usage: sumdb TREE")
	}
	tree := ts.MkAbs(args[0])
	private, public, err := note.GenerateKey(rand.Reader, "sum.example.com")
	ts.Check(err)
	log := sumdb.NewTestServer(private, func(path, version string) ([]byte, error) {
		return goSumLines(tree, module.Version{Path: path, Version: version})
	})
	server := httptest.NewServer(sumdb.NewServer(log))
	ts.Defer(server.Close)
	ts.Setenv("GOSUMDB", public+" "+server.URL)
}

// goSumLines are the two go.sum lines of a version in a GOPROXY tree.
func goSumLines(tree string, m module.Version) ([]byte, error) {
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
