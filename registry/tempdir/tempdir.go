// Package tempdir makes directories for temporary files that do not outlive their process: what one that was killed has
// left, the next one removes.
package tempdir

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"

	"github.com/modferry/modferry/artifact/userfile"
)

// lockFile is what the process that a directory belongs to has locked.
const lockFile = "lock"

// attempts is how often a directory is made that another process takes for one that was left.
const attempts = 10

// New makes a directory in parent ("" = the system's), whose name begins with prefix, and returns what removes it. Before,
// it removes those with the same prefix whose process has ended.
func New(parent, prefix string) (dir string, remove func(), err error) {
	parent = cmp.Or(parent, os.TempDir())
	sweep(parent, prefix)
	for range attempts {
		if dir, err = os.MkdirTemp(parent, prefix+"*"); err != nil {
			return "", nil, err
		}
		if unlock, err := userfile.TryLock(filepath.Join(dir, lockFile), os.O_CREATE); err == nil && unlock != nil {
			return dir, func() {
				os.RemoveAll(dir)
				unlock()
			}, nil
		}
	}
	return "", nil, fmt.Errorf("no directory for temporary files in %s can be locked", parent)
}

// sweep removes what dead processes have left. Errors do not matter: it may be somebody else's. One that has no lock as
// yet is being made.
func sweep(parent, prefix string) {
	entries, _ := os.ReadDir(parent)
	for _, e := range entries {
		if matches, _ := filepath.Match(prefix+"*", e.Name()); !matches || !e.IsDir() {
			continue
		}
		dir := filepath.Join(parent, e.Name())
		if unlock, err := userfile.TryLock(filepath.Join(dir, lockFile), 0); err == nil && unlock != nil {
			os.RemoveAll(dir)
			unlock()
		}
	}
}
