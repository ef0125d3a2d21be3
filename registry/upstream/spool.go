package upstream

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/modferry/modferry/artifact/goproxy"
)

// spool is a directory with the files of versions by their names in the GOPROXY
// protocol. All of them are complete. A nil *spool has none.
type spool struct{ dir string }

// open opens a file of a version; it is nil if it is not there.
func (s *spool) open(w goproxy.File) (*os.File, error) {
	if s == nil || !goproxy.IsVersion(w.Version) {
		return nil, nil
	}
	name, err := w.Name()
	if err != nil {
		return nil, nil
	}
	f, err := openBelow(s.dir, name)
	if errors.Is(err, ErrNotFound) {
		return nil, nil
	}
	return f, err
}

// put adds a file.
func (s *spool) put(w goproxy.File, fill func(*os.File) error) error {
	name, err := w.Name()
	if err != nil {
		return err
	}
	file := filepath.Join(s.dir, filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return fmt.Errorf("keeping the %s of %s: %w", w.Kind, w.Version, err)
	}
	f, err := os.CreateTemp(filepath.Dir(file), "*.tmp")
	if err != nil {
		return fmt.Errorf("keeping the %s of %s: %w", w.Kind, w.Version, err)
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
