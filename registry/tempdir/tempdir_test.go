package tempdir

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"golang.org/x/sync/errgroup"
)

func TestWhatADeadProcessLeftIsRemovedAndNothingElse(t *testing.T) {
	parent := t.TempDir()
	left := func(name string, files ...string) {
		t.Helper()
		if err := os.Mkdir(filepath.Join(parent, name), 0o700); err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			if err := os.WriteFile(filepath.Join(parent, name, file), nil, 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	left("load-dead", "lock", "zip")
	left("load-being-made")
	left("other", "lock")
	if err := errors.Join(os.WriteFile(filepath.Join(parent, "load-file"), nil, 0o600), os.Symlink("other", filepath.Join(parent, "load-link"))); err != nil {
		t.Fatal(err)
	}
	live, remove, err := New(parent, "load-")
	if err != nil {
		t.Fatal(err)
	}
	second, removeSecond, err := New(parent, "load-")
	if err != nil {
		t.Fatal(err)
	}
	want := []string{filepath.Base(live), filepath.Base(second), "load-being-made", "load-file", "load-link", "other"}
	slices.Sort(want)
	if got := names(t, parent); !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	remove()
	removeSecond()
	if got := names(t, parent); len(got) != len(want)-2 {
		t.Errorf("%v is left", got)
	}
}

func names(t *testing.T, dir string) (list []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		list = append(list, e.Name())
	}
	return list
}

// Nobody loses a directory to one who begins at the same time.
func TestManyBeginAtTheSameTime(t *testing.T) {
	parent := t.TempDir()
	var g errgroup.Group
	for range 8 {
		g.Go(func() error {
			for range 50 {
				dir, remove, err := New(parent, "load-")
				if err != nil {
					return err
				}
				file := filepath.Join(dir, "zip")
				if err := errors.Join(os.WriteFile(file, nil, 0o600), os.Remove(file)); err != nil {
					return err
				}
				remove()
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		t.Error(err)
	}
	if left := names(t, parent); len(left) > 0 {
		t.Errorf("%v is left", left)
	}
}
