//go:build !windows

package userfile

import (
	"path/filepath"

	"github.com/google/renameio/v2"
)

// writeOver puts another file in the place of the one with this name. It is made beside it, and not in TMPDIR, so that
// it has the group that the directory gives.
func writeOver(name string, data []byte) error {
	return renameio.WriteFile(name, data, 0o666, renameio.WithTempDir(filepath.Dir(name)))
}
