package upstream

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// spool is a tree, a directory with files of versions by their names in the GOPROXY protocol. All of them are complete.
type spool string

// open implements tree.
func (s spool) open(_ context.Context, name string) (io.ReadCloser, error) {
	return openBelow(string(s), name)
}

// put adds a file.
func (s spool) put(name string, fill func(*os.File) error) error {
	file := filepath.Join(string(s), filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return fmt.Errorf("keeping %s: %w", name, err)
	}
	f, err := os.CreateTemp(filepath.Dir(file), "*.tmp")
	if err != nil {
		return fmt.Errorf("keeping %s: %w", name, err)
	}
	err = fill(f)
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(f.Name(), file)
	}
	if err != nil {
		_ = os.Remove(f.Name()) // the caller removes the directory anyway
	}
	return err
}
