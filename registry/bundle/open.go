package bundle

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/modferry/modferry/artifact"
	"github.com/modferry/modferry/artifact/sign"
	"github.com/modferry/modferry/registry/bundle/ustar"
)

// ErrNoBundle: a directory or a tar is no volume of a bundle. It is artifact.ErrCorrupt.
var ErrNoBundle error = noBundle{}

type noBundle struct{}

// Error does not say that something is corrupt: it may well be something else.
func (noBundle) Error() string { return "this is no bundle" }

// Is reports whether target is artifact.ErrCorrupt.
func (noBundle) Is(target error) bool { return target == artifact.ErrCorrupt }

// Open opens a volume: a directory, or the file of a tar. Nothing is written to it. What its opening says is checked,
// and nothing of its items: that is for who reads them. The error is artifact.ErrCorrupt if it is no volume or its
// opening is damaged.
func Open(path string, o Options) (*Volume, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	open := openTar
	if info.IsDir() {
		open = openDir
	}
	v, err := open(path, o)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return v, nil
}

// openTar opens the file of a tar.
func openTar(path string, o Options) (*Volume, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = errors.New("it is neither a directory nor a file; of a pipe, read standard input")
	}
	var v *Volume
	if err == nil {
		v, err = newTar(path, f, info.Size(), o)
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return v, nil
}

// newTar reads the opening of a tar, and finds out where the rest is.
func newTar(name string, f io.ReaderAt, size int64, o Options) (*Volume, error) {
	in := &counter{r: io.NewSectionReader(f, 0, size)}
	var opened opening
	if err := opened.readTar(tarReader{ustar.Reader{Reader: in}}); err != nil {
		return nil, err
	}
	v := newVolume(name, o, opened)
	from := &tarFile{ReaderAt: f, size: size, places: make(map[Sum]int64)}
	end := in.n
	opened.lines.each(func(f File) {
		from.places[f.Digest] = end
		end += ustar.Size(f.Size)
	})
	if end += ustar.EndSize; size > end {
		return nil, fmt.Errorf("%w: after its end there are %d more bytes", ustar.ErrEntry, size-end)
	}
	v.short, v.from = end-size, from
	return v, nil
}

// tarFile is a tar whose files are where they must be.
type tarFile struct {
	io.ReaderAt
	size   int64
	places map[Sum]int64
}

func (t *tarFile) open(_ context.Context, f File) (io.ReadCloser, error) {
	at := t.places[f.Digest]
	if at+ustar.Size(f.Size) > t.size {
		return nil, ustar.CutOff(io.EOF)
	}
	if err := (ustar.Reader{Reader: io.NewSectionReader(t, at, ustar.BlockSize)}).Begin(f.name(), f.Size); err != nil {
		return nil, err
	}
	return io.NopCloser(io.NewSectionReader(t, at+ustar.BlockSize, f.Size)), nil
}

func (t *tarFile) drop(File) {}

func (t *tarFile) close() error {
	if c, ok := t.ReaderAt.(io.Closer); ok {
		return c.Close()
	}
	return nil
}

// openDir opens a directory.
func openDir(path string, o Options) (*Volume, error) {
	root, err := os.OpenRoot(path)
	if err != nil {
		return nil, err
	}
	var opened opening
	d := dir{root}
	if err := opened.readDir(d); err != nil {
		root.Close()
		return nil, err
	}
	v := newVolume(path, o, opened)
	v.from = d
	return v, nil
}

// dir is a layout directory.
type dir struct{ *os.Root }

// open does not open what is no file, such as a pipe that nobody writes to.
func (d dir) open(_ context.Context, f File) (io.ReadCloser, error) {
	info, err := d.Lstat(filepath.FromSlash(f.name()))
	switch {
	case errors.Is(err, os.ErrNotExist):
		return nil, fmt.Errorf("%w: %s is missing", artifact.ErrCorrupt, f.name())
	case err != nil:
		return nil, err
	case !info.Mode().IsRegular() || info.Size() != f.Size:
		return nil, fmt.Errorf("%w: %s is no file of %d bytes", artifact.ErrCorrupt, f.name(), f.Size)
	}
	return d.Open(filepath.FromSlash(f.name()))
}

func (dir) drop(File) {}

func (d dir) close() error { return d.Close() }

// read reads a small file.
func (d dir) read(f File) ([]byte, error) {
	if err := artifact.CheckSize(f.name(), f.Size, artifact.MaxManifest); err != nil {
		return nil, err
	}
	r, err := d.open(context.Background(), f)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	return readSmall(r, f)
}

// readDir reads the opening of a directory.
func (o *opening) readDir(d dir) error {
	found, err := d.find(Repository + ":" + Tag)
	if err != nil {
		return err
	}
	image, err := fileOf(found)
	if err != nil {
		return err
	}
	raw, err := d.read(image)
	if err != nil {
		return err
	}
	config, lines, err := o.addImage(image, raw)
	if err != nil {
		return err
	}
	r, err := d.open(context.Background(), lines)
	if err != nil {
		return err
	}
	defer r.Close()
	if err := o.readLines(r, lines); err != nil {
		return err
	}
	if o.small[config.Digest], err = d.read(config); err != nil {
		return err
	}
	if err := o.checkConfig(o.small[config.Digest]); err != nil || !o.lines.Signed {
		return err
	}
	return o.readDirSignatures(d)
}

func (o *opening) readDirSignatures(d dir) error {
	found, err := d.find(Repository + ":" + sign.Tag(o.image.Digest.Digest()))
	if err != nil {
		return err
	}
	manifest, err := fileOf(found)
	if err != nil {
		return err
	}
	raw, err := d.read(manifest)
	if err != nil {
		return err
	}
	files, err := o.addSignatures(manifest, raw)
	if err != nil {
		return err
	}
	for _, f := range files {
		if o.small[f.Digest], err = d.read(f); err != nil {
			return err
		}
	}
	return nil
}

// find returns what index.json has under a name. It is read as a stream: there is much in it that is not looked for.
func (d dir) find(name string) (found ocispec.Descriptor, err error) {
	f, err := d.Open(ocispec.ImageIndexFile)
	if errors.Is(err, os.ErrNotExist) {
		return found, fmt.Errorf("%w: there is no %s in it", ErrNoBundle, ocispec.ImageIndexFile)
	}
	if err != nil {
		return found, err
	}
	defer f.Close()
	dec := json.NewDecoder(io.LimitReader(f, maxIndex))
	for token := json.Token(nil); err == nil && token != "manifests"; {
		token, err = dec.Token()
	}
	if err == nil {
		_, err = dec.Token() // [
	}
	for err == nil && dec.More() {
		var entry ocispec.Descriptor
		if err = dec.Decode(&entry); err == nil && entry.Annotations[ocispec.AnnotationRefName] == name {
			return entry, nil
		}
	}
	if err != nil && !errors.Is(err, io.EOF) {
		return found, fmt.Errorf("%w: %s: %w", artifact.ErrCorrupt, ocispec.ImageIndexFile, err)
	}
	return found, fmt.Errorf("%w: its index has no %s", ErrNoBundle, name)
}

// Find returns the volumes that path names: a file, a directory that is a volume, or those in a directory of others, by
// name.
func Find(path string) (volumes []string, err error) {
	if isVolume(path) {
		return []string{path}, nil
	}
	entries, err := os.ReadDir(path)
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		inside := filepath.Join(path, e.Name())
		if !strings.HasPrefix(e.Name(), ".") && (strings.HasSuffix(e.Name(), tarSuffix) || e.IsDir() && isVolume(inside)) {
			volumes = append(volumes, inside)
		}
	}
	if volumes == nil {
		return nil, fmt.Errorf("%s: %w: neither a layout nor a directory with volumes in it", path, ErrNoBundle)
	}
	return volumes, nil
}

// isVolume reports whether path is to be opened, and not to be looked into.
func isVolume(path string) bool {
	info, err := os.Stat(path)
	if err != nil || !info.IsDir() {
		return true
	}
	_, err = os.Stat(filepath.Join(path, ocispec.ImageLayoutFile))
	return err == nil
}
