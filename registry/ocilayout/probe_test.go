package ocilayout

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/modferry/modferry/registry"
	"github.com/modferry/modferry/registry/storetest"
)

// tree returns the names and times of all files and directories.
func tree(t *testing.T, dir string) map[string]int64 {
	t.Helper()
	found := make(map[string]int64)
	err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			info, e := d.Info()
			if err = e; e == nil {
				found[name] = info.ModTime().UnixNano()
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func TestAProbeWritesWhereAPushWouldAndLeavesNothing(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "store")
	s := openStore(t, dir)
	if _, err := s.ProbePush(t.Context(), "a"); !errors.Is(err, registry.ErrNoLayout) {
		t.Errorf("without a layout: %v", err)
	}
	if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the probe made the directory: %v", err)
	}
	storetest.Image(t, s, "a", "v1.0.0")
	before := tree(t, dir)
	if left, err := s.ProbePush(t.Context(), "a"); left || err != nil {
		t.Error(left, err)
	}
	after := tree(t, dir)
	for name, at := range after {
		if before[name] != at {
			t.Errorf("%s is left, or changed", name)
		}
	}
	if len(after) != len(before) {
		t.Errorf("%d files, and %d before", len(after), len(before))
	}
	if err := os.RemoveAll(filepath.Join(dir, tmpDir)); err != nil { // as in one that another tool has made
		t.Fatal(err)
	}
	if _, err := s.ProbePush(t.Context(), "a"); err != nil {
		t.Error(err)
	}
	empty := t.TempDir() // as skeletons of layouts that have no blob yet
	for name, content := range map[string]string{"oci-layout": marker, "index.json": emptyIndex} {
		if err := os.WriteFile(filepath.Join(empty, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := openStore(t, empty).ProbePush(t.Context(), "a"); err != nil {
		t.Errorf("without any blob: %v", err)
	}
	// A read-only mount has the same error for whoever runs this; so does a file in the place of the directory.
	blobs := filepath.Join(dir, blobsDir)
	if err := errors.Join(os.Rename(blobs, blobs+".away"), os.WriteFile(blobs, nil, 0o600)); err != nil {
		t.Fatal(err)
	}
	if _, err := s.ProbePush(t.Context(), "a"); err == nil {
		t.Error("nothing can be written, and it was not noticed")
	}
	if err := errors.Join(os.Remove(blobs), os.Rename(blobs+".away", blobs), os.Mkdir(filepath.Join(dir, tmpDir), 0o700)); err != nil {
		t.Fatal(err)
	}
}
