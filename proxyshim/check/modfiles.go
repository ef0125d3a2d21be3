package check

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/modferry/modferry/registry/project"
)

// modFiles are the contents, by name, of what go commands may change in a project: go.work,
// go.work.sum, and each main module's go.mod and go.sum. Nil is a file that is not there.
type modFiles map[string][]byte

// keep reads them.
func keep(p *project.Project) (modFiles, error) {
	names := []string{filepath.Join(p.Root, "go.work"), filepath.Join(p.Root, "go.work.sum")}
	for _, m := range p.Modules {
		names = append(names, filepath.Join(m.Dir, "go.mod"), filepath.Join(m.Dir, "go.sum"))
	}
	kept := make(modFiles)
	for _, name := range names {
		data, err := read(name)
		if err != nil {
			return nil, err
		}
		kept[name] = data
	}
	return kept, nil
}

// read returns those of a file, nil only if it is not there.
func read(name string) ([]byte, error) {
	data, err := os.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return data, err
}

// restore puts back what has changed. What has not keeps its time.
func (f modFiles) restore() error {
	for name, kept := range f {
		now, err := read(name)
		switch {
		case err != nil:
			return err
		case kept == nil && now != nil:
			err = os.Remove(name)
		case !bytes.Equal(kept, now):
			err = os.WriteFile(name, kept, 0o644)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
