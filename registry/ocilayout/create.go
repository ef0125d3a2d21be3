package ocilayout

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/modferry/modferry/registry"
)

var errNotLayout = errors.New("the directory has other content and is no OCI image layout (no file oci-layout): give a new or an empty directory")

// prepare makes the directory a layout, and tidies up after an interrupted run, before the first push.
func (l *layout) prepare(ctx context.Context) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.prepared {
		return nil
	}
	if _, err := isLayout(l.dir); err != nil {
		return err
	}
	for _, dir := range []string{tmpDir, blobsDir} {
		if err := os.MkdirAll(l.path(dir), 0o777); err != nil {
			return err
		}
	}
	unlock, err := l.lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	if err := l.create(); err != nil {
		return err
	}
	if err := l.fold(); err != nil { // what an interrupted run left
		return err
	}
	sweep(l.path(tmpDir))
	l.prepared = true
	return nil
}

// create writes what a layout must have. The file that makes it one comes last.
func (l *layout) create() error {
	for _, made := range []string{".", ocispec.ImageBlobsDir} {
		if err := syncDir(l.path(made)); err != nil {
			return err
		}
	}
	if is, err := isLayout(l.dir); is || err != nil {
		return err
	}
	_ = syncDir(filepath.Dir(l.dir)) // may be another user's, and then its name is durable
	// One that is there is of an interrupted creation, or of a layout copied in part.
	_, err := os.Stat(l.path(ocispec.ImageIndexFile))
	if errors.Is(err, fs.ErrNotExist) {
		err = l.writeFile(ocispec.ImageIndexFile, []byte(emptyIndex))
	}
	if err != nil {
		return err
	}
	marker, err := json.Marshal(ocispec.ImageLayout{Version: ocispec.ImageLayoutVersion})
	if err != nil {
		return err
	}
	return l.writeFile(ocispec.ImageLayoutFile, marker)
}

// isLayout reports whether dir is an OCI image layout of the version known here. False without an error means that
// dir can become one: it is missing, empty, or its creation was interrupted.
func isLayout(dir string) (bool, error) {
	f, err := os.Open(filepath.Join(dir, ocispec.ImageLayoutFile))
	if errors.Is(err, fs.ErrNotExist) {
		return false, checkVacant(dir)
	}
	if err != nil {
		return false, err
	}
	defer f.Close()
	var l ocispec.ImageLayout
	if err := json.NewDecoder(io.LimitReader(f, 4<<10)).Decode(&l); err != nil {
		return false, fmt.Errorf("%w: %s: %w", errDamaged, ocispec.ImageLayoutFile, err)
	}
	if l.Version != ocispec.ImageLayoutVersion {
		return false, fmt.Errorf("OCI image layout version %q: %w", l.Version, registry.ErrUnsupported)
	}
	return true, nil
}

// checkVacant keeps a mistyped path from scattering blobs over someone's directory.
func checkVacant(dir string) error {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	ours := len(entries) == 0
	for _, e := range entries {
		switch e.Name() {
		case ownDir:
			ours = true
		case ocispec.ImageIndexFile, ocispec.ImageBlobsDir:
		default:
			return errNotLayout
		}
	}
	if err == nil && !ours {
		err = errNotLayout
	}
	return err
}
