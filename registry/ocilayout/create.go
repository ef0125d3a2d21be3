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

var (
	errNotLayout = errors.New("the directory has other content and is no OCI image layout (no file oci-layout): " +
		"give a new or an empty directory")
	errFile = errors.New("it is a file: of an archive (podman save --format oci-archive, skopeo copy oci-archive:), " +
		"give the directory that tar -xf makes of it")
)

// The files of a new layout.
const (
	emptyIndex = `{"schemaVersion":2,"mediaType":"` + ocispec.MediaTypeImageIndex + `","manifests":[]}`
	marker     = `{"imageLayoutVersion":"` + ocispec.ImageLayoutVersion + `"}`
)

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
		if err := l.sync(l.path(made)); err != nil {
			return err
		}
	}
	if is, err := isLayout(l.dir); is || err != nil {
		return err
	}
	_ = l.sync(filepath.Dir(l.dir)) // may be another user's, and then its name is durable
	// One that is there is of an interrupted creation, or of a layout copied in part.
	_, err := os.Stat(l.path(ocispec.ImageIndexFile))
	if errors.Is(err, fs.ErrNotExist) {
		err = l.writeFile(ocispec.ImageIndexFile, text(emptyIndex))
	}
	if err != nil {
		return err
	}
	return l.writeFile(ocispec.ImageLayoutFile, text(marker))
}

// text returns what writes s.
func text(s string) func(io.Writer) error {
	return func(w io.Writer) error {
		_, err := io.WriteString(w, s)
		return err
	}
}

// isLayout reports whether dir is an OCI image layout of the version known here. False without an error means that
// dir can become one: it is missing, empty, or its creation was interrupted.
func isLayout(dir string) (bool, error) {
	data, err := readMarker(dir)
	if errors.Is(err, fs.ErrNotExist) {
		if err := checkVacant(dir); err != nil {
			return false, err
		}
		data, err = readMarker(dir) // another process may just have made one of what was vacant
	}
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if info, e := os.Stat(dir); err != nil && e == nil && !info.IsDir() {
		return false, errFile
	}
	if err != nil {
		return false, err
	}
	var l ocispec.ImageLayout
	if err := json.Unmarshal(data, &l); err != nil {
		return false, fmt.Errorf("%w: %s: %w", errDamaged, ocispec.ImageLayoutFile, err)
	}
	if l.Version != ocispec.ImageLayoutVersion {
		return false, fmt.Errorf("OCI image layout version %q: %w", l.Version, registry.ErrUnsupported)
	}
	return true, nil
}

func readMarker(dir string) ([]byte, error) {
	f, err := os.Open(filepath.Join(dir, ocispec.ImageLayoutFile))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, 4<<10))
}

// checkVacant keeps a mistyped path from scattering blobs over someone's directory. What another process makes there
// is no other content: its own directory comes first.
func checkVacant(dir string) error {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, e := range entries {
		switch e.Name() {
		case ownDir, ocispec.ImageIndexFile, ocispec.ImageBlobsDir, ocispec.ImageLayoutFile:
		default:
			return errNotLayout
		}
	}
	if _, err := os.Stat(filepath.Join(dir, ownDir)); err != nil && len(entries) > 0 {
		return errNotLayout
	}
	return nil
}
