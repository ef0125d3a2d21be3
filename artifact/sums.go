package artifact

import (
	"archive/zip"
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"

	"golang.org/x/mod/module"
	"golang.org/x/mod/sumdb/dirhash"
	modzip "golang.org/x/mod/zip"
)

// GoModSum returns the h1: sum of a go.mod file with the given content, as the /go.mod lines of go.sum have it.
func GoModSum(data []byte) (string, error) {
	return dirhash.Hash1([]string{"go.mod"}, func(string) (io.ReadCloser, error) {
		return io.NopCloser(bytes.NewReader(data)), nil
	})
}

// A checkedZip is what checkZip learns of a zip.
type checkedZip struct {
	sum      string
	goMod    []byte // the root go.mod
	hasGoMod bool   // whether there is one
}

// checkZip checks that the named zip is well formed for m, within the limits of [modzip], and computes its sum. A zip
// that is not has an error that matches ErrCorrupt or ErrLimit.
func checkZip(m module.Version, file string) (checkedZip, error) {
	var c checkedZip
	// The sizes declared in the zip are checked first: archive/zip then reads no more than they say.
	if cf, err := modzip.CheckZip(m, file); err != nil {
		if cf.SizeError != nil {
			return c, fmt.Errorf("%w: %w", ErrLimit, err)
		}
		return c, corruptZip(err)
	}
	z, err := zip.OpenReader(file)
	if err != nil {
		return c, corruptZip(err)
	}
	defer z.Close()
	if c.sum, err = hashZip(&z.Reader); err != nil {
		return c, corruptZip(err)
	}
	root := func(f *zip.File) bool { return f.Name == m.String()+"/go.mod" }
	if i := slices.IndexFunc(z.File, root); i >= 0 {
		var goMod bytes.Buffer
		if err := copyEntry(&goMod, z.File[i], nil); err != nil {
			return c, corruptZip(err)
		}
		c.goMod, c.hasGoMod = goMod.Bytes(), true
	}
	return c, nil
}

// corruptZip marks err as a matter of the zip's content, unless it is one of the file system.
func corruptZip(err error) error {
	var pathErr *fs.PathError
	if errors.As(err, &pathErr) {
		return fmt.Errorf("module zip: %w", err)
	}
	return fmt.Errorf("module zip: %w: %w", ErrCorrupt, err)
}

// IsSum reports whether s is an h1: sum, of a zip or a go.mod file.
func IsSum(s string) bool {
	b64, ok := strings.CutPrefix(s, "h1:")
	if !ok {
		return false
	}
	b, err := base64.StdEncoding.Strict().DecodeString(b64)
	return err == nil && len(b) == 32
}
