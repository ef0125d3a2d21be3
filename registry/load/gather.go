package load

import (
	"archive/tar"
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/modferry/modferry/artifact"
)

// gathered is a layout in the making.
type gathered struct {
	dir     string
	entries []json.RawMessage // of all index.json
	indexes int64             // bytes of these
}

// add adds what is in a directory or in the file of a tar.
func (g *gathered) add(ctx context.Context, name string) error {
	info, err := os.Stat(name)
	if err != nil {
		return err
	}
	if info.IsDir() {
		return g.addDir(ctx, name)
	}
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	return g.addTar(ctx, f)
}

// addDir links or copies nothing that is not a layout's.
func (g *gathered) addDir(ctx context.Context, name string) error {
	root, err := os.OpenRoot(name)
	if err != nil {
		return err
	}
	defer root.Close()
	index, err := readAll(root, ocispec.ImageIndexFile, maxIndex)
	if err != nil {
		return err
	}
	if err := g.addIndex(index); err != nil {
		return err
	}
	blobs, err := root.OpenRoot(ocispec.ImageBlobsDir + "/sha256")
	if err != nil {
		return err
	}
	defer blobs.Close()
	list, err := blobs.Open(".")
	if err != nil {
		return err
	}
	defer list.Close()
	files, err := list.ReadDir(-1)
	for _, f := range files {
		if err != nil {
			break
		}
		if f.Type().IsRegular() && isDigest(f.Name()) {
			err = g.addFile(ctx, blobs, f.Name())
		}
	}
	return err
}

func (g *gathered) addFile(ctx context.Context, blobs *os.Root, name string) error {
	f, err := blobs.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	return g.addBlob(ctx, name, f)
}

// readAll does not open what is no file, such as a pipe that nobody writes to.
func readAll(root *os.Root, name string, limit int64) ([]byte, error) {
	if info, err := root.Stat(name); err != nil || !info.Mode().IsRegular() {
		return nil, cmp.Or(err, errArchive)
	}
	f, err := root.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return artifact.ReadAll(f, name, limit)
}

// addTar takes the files of a layout out of a tar; all others, and whatever is no file, it passes over. Nothing is
// written under a name that the tar chose: blobs are named by a digest, which is what they must have.
func (g *gathered) addTar(ctx context.Context, r io.Reader) error {
	t := tar.NewReader(r)
	isLayout := false
	for n := 0; ; n++ {
		h, err := t.Next()
		switch {
		case errors.Is(err, io.EOF) && isLayout:
			return nil
		case errors.Is(err, io.EOF), errors.Is(err, tar.ErrHeader):
			return errArchive
		case err != nil:
			return fmt.Errorf("%w: %w", errArchive, err)
		case n == maxEntries:
			return fmt.Errorf("%w: more than %d entries", artifact.ErrLimit, maxEntries)
		}
		if h.Typeflag != tar.TypeReg || isSparse(h) {
			continue
		}
		hex, isBlob := strings.CutPrefix(strings.TrimPrefix(h.Name, "./"), ocispec.ImageBlobsDir+"/sha256/")
		switch {
		case isBlob && isDigest(hex):
			err = g.addBlob(ctx, hex, t)
		case strings.TrimPrefix(h.Name, "./") == ocispec.ImageIndexFile:
			var index []byte
			if index, err = artifact.ReadAll(t, h.Name, maxIndex); err == nil {
				err = g.addIndex(index)
			}
			isLayout = true
		}
		if err != nil {
			return err
		}
	}
}

// isSparse reports whether a file has holes, which take no room in the tar and may have any size.
func isSparse(h *tar.Header) bool {
	for record := range h.PAXRecords {
		if strings.HasPrefix(record, "GNU.sparse.") {
			return true
		}
	}
	return false
}

func isDigest(hex string) bool {
	return digest.NewDigestFromEncoded(digest.SHA256, hex).Validate() == nil
}

// addBlob stores a blob under its digest, if it has that and is not there yet. One that is damaged is left out: what
// needs it is refused then, and nothing else.
func (g *gathered) addBlob(ctx context.Context, hex string, r io.Reader) error {
	dir := filepath.Join(g.dir, ocispec.ImageBlobsDir, "sha256")
	if err := errors.Join(ctx.Err(), os.MkdirAll(dir, 0o777)); err != nil {
		return err
	}
	f, err := os.OpenFile(filepath.Join(dir, hex), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	if err != nil {
		return err
	}
	verifier := digest.NewDigestFromEncoded(digest.SHA256, hex).Verifier()
	_, err = io.Copy(io.MultiWriter(f, verifier), r)
	if err = errors.Join(err, f.Close()); err == nil && !verifier.Verified() {
		err = os.Remove(f.Name())
	}
	return err
}

func (g *gathered) addIndex(data []byte) error {
	g.indexes += int64(len(data))
	if err := artifact.CheckSize(ocispec.ImageIndexFile+" of all archives", g.indexes, maxIndex); err != nil {
		return err
	}
	var index struct {
		Manifests []json.RawMessage `json:"manifests"`
	}
	if err := json.Unmarshal(data, &index); err != nil {
		return fmt.Errorf("%w: %s: %w", errArchive, ocispec.ImageIndexFile, err)
	}
	g.entries = append(g.entries, index.Manifests...)
	return nil
}

// writeIndex makes the directory a layout.
func (g *gathered) writeIndex() error {
	var b bytes.Buffer
	err := json.NewEncoder(&b).Encode(map[string]any{
		"schemaVersion": 2, "mediaType": ocispec.MediaTypeImageIndex, "manifests": g.entries,
	})
	if err != nil {
		return err
	}
	marker := []byte(`{"imageLayoutVersion":"` + ocispec.ImageLayoutVersion + `"}`)
	return errors.Join(
		os.WriteFile(filepath.Join(g.dir, ocispec.ImageIndexFile), b.Bytes(), 0o666),
		os.WriteFile(filepath.Join(g.dir, ocispec.ImageLayoutFile), marker, 0o666),
	)
}
