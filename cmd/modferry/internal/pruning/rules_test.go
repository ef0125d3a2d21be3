package pruning

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/modferry/modferry/artifact/userfile"
	"github.com/modferry/modferry/registry/prune"
)

func TestWhatAUserNamesIsReadWithinLimits(t *testing.T) {
	dir := t.TempDir()
	for name, add := range map[string]func(file string) error{
		"go.mod":        func(string) error { return addNeeded(&prune.Rules{}, []string{dir}, nil) },
		"list.txt":      func(file string) error { return addNeeded(&prune.Rules{}, []string{file}, nil) },
		"modferry.yaml": func(file string) error { return addDenied(&prune.Rules{}, file) },
	} {
		file := filepath.Join(dir, name)
		if err := errors.Join(os.WriteFile(file, nil, 0o666), os.Truncate(file, 1<<40)); err != nil {
			t.Skip(err) // the file system has no sparse files
		}
		if err := add(file); !errors.Is(err, userfile.ErrTooLarge) {
			t.Errorf("%s of a terabyte: %v", name, err)
		}
		if err := os.Remove(file); err != nil {
			t.Fatal(err)
		}
	}
}
