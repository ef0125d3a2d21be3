package artifact

import (
	"archive/zip"
	"bytes"
	"cmp"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"runtime"
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

// manyFiles is how many files a zip has whose directory, once it was read, takes megabytes of memory. As it is read twice,
// that memory is freed before the second time, at the price of some milliseconds: it would double what checking it takes.
const manyFiles = 4096

// checkZip checks that the named zip is well formed for m, within the limits of [modzip], and computes its sum. A zip
// that is not has an error that matches ErrCorrupt or ErrLimit.
func checkZip(m module.Version, file string) (checkedZip, error) {
	// The sizes declared in the zip are checked first: archive/zip then reads no more than they say.
	listed, err := checkDeclared(m, file)
	if err != nil {
		return checkedZip{}, err
	}
	if len(listed) > manyFiles {
		runtime.GC()
	}
	z, err := zip.OpenReader(file)
	if err != nil {
		return checkedZip{}, corruptZip(err)
	}
	defer z.Close()
	return readZip(m, &z.Reader)
}

// checkZipAt is checkZip of a zip that is no file by itself. What archive/zip reads to find out what is in it, and
// nothing else, is copied to where it is in a file of the zip's size, which is all that [modzip.CheckZip] reads of one.
func checkZipAt(m module.Version, r *io.SectionReader, scratch *os.File) (c checkedZip, err error) {
	directory := &directoryCopier{r: r, to: scratch}
	z, err := zip.NewReader(directory, r.Size())
	if err == nil {
		err = scratch.Truncate(r.Size())
	}
	if err := cmp.Or(directory.err, err); err != nil {
		return c, corruptZip(err)
	}
	listed, err := checkDeclared(m, scratch.Name())
	if err != nil {
		return c, err
	}
	files := slices.DeleteFunc(slices.Clone(z.File), func(f *zip.File) bool { return strings.HasSuffix(f.Name, "/") })
	if !slices.EqualFunc(files, listed, func(f *zip.File, name string) bool { return f.Name == name }) {
		return c, fmt.Errorf("module zip: %w: its directory is not what was copied of it", ErrCorrupt)
	}
	directory.to = nil
	return readZip(m, z)
}

// A directoryCopier writes what is read of r to where it is in r.
type directoryCopier struct {
	r   io.ReaderAt
	to  io.WriterAt // nil = not any more
	err error       // of writing
}

// ReadAt implements io.ReaderAt. Until to is nil it must not be called concurrently.
func (d *directoryCopier) ReadAt(p []byte, off int64) (n int, err error) {
	n, err = d.r.ReadAt(p, off)
	if d.to != nil && n > 0 && d.err == nil {
		_, d.err = d.to.WriteAt(p[:n], off)
	}
	return n, err
}

// checkDeclared checks what the named zip says is in it, and returns the files.
func checkDeclared(m module.Version, file string) (files []string, err error) {
	cf, err := modzip.CheckZip(m, file)
	switch {
	case err != nil && cf.SizeError != nil:
		return nil, fmt.Errorf("%w: %w", ErrLimit, err)
	case err != nil:
		return nil, corruptZip(err)
	}
	return cf.Valid, nil
}

// readZip reads a zip of m whose declarations were checked.
func readZip(m module.Version, z *zip.Reader) (c checkedZip, err error) {
	if c.sum, err = hashZip(z); err != nil {
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
