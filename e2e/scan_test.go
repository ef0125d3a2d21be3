package e2e

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/rogpeppe/go-internal/testscript"
	"go.etcd.io/bbolt"
)

// trivydb DIR MODULE FIXED ID puts a database for "trivy --cache-dir DIR" there that knows one thing: that MODULE has the
// vulnerability ID until version FIXED.
func cmdTrivyDB(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 4 || neg {
		ts.Fatalf("usage: trivydb DIR MODULE FIXED ID")
	}
	dir, module, fixed, id := filepath.Join(ts.MkAbs(args[0]), "db"), args[1], args[2], args[3]
	ts.Check(os.MkdirAll(dir, 0o755))
	ts.Check(os.WriteFile(filepath.Join(dir, "metadata.json"),
		[]byte(`{"Version":2,"NextUpdate":"2100-01-01T00:00:00Z","UpdatedAt":"2026-01-01T00:00:00Z","DownloadedAt":"2026-01-01T00:00:00Z"}`), 0o600))
	db, err := bbolt.Open(filepath.Join(dir, "trivy.db"), 0o600, nil)
	ts.Check(err)
	const source = "go::GitHub Security Advisory Go"
	err = db.Update(func(tx *bbolt.Tx) error {
		return errors.Join(
			putBolt(tx, id, fmt.Sprintf(`{"PatchedVersions":[%q],"VulnerableVersions":["< %s"]}`, fixed, fixed), source, module),
			putBolt(tx, source, `{"ID":"ghsa","Name":"GitHub Security Advisory Go","URL":"https://example.com/"}`, "data-source"),
			putBolt(tx, id, `{"Title":"made up for a test","Severity":"HIGH"}`, "vulnerability"),
		)
	})
	ts.Check(errors.Join(err, db.Close()))
}

// putBolt sets a key in a bucket within buckets.
func putBolt(tx *bbolt.Tx, key, value, bucket string, within ...string) error {
	b, err := tx.CreateBucketIfNotExists([]byte(bucket))
	for _, name := range within {
		if err == nil {
			b, err = b.CreateBucketIfNotExists([]byte(name))
		}
	}
	if err != nil {
		return err
	}
	return b.Put([]byte(key), []byte(value))
}
