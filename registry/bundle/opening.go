package bundle

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/modferry/modferry/artifact"
	"github.com/modferry/modferry/artifact/sign"
	"github.com/modferry/modferry/registry/bundle/ustar"
)

const (
	layoutFile = `{"imageLayoutVersion":"` + ocispec.ImageLayoutVersion + `"}`
	maxIndex   = 512 << 20 // of index.json, as of any layout
)

// An opening is what a volume says about itself, before its items.
type opening struct {
	image  Manifest
	lines  *lines
	signed *Manifest      // the .sig manifest of the image, if there is one
	small  map[Sum][]byte // these two, and what they list but for the lines
}

// addImage takes the manifest of the volume's image.
func (o *opening) addImage(f File, raw []byte) (config, lines File, err error) {
	o.image = Manifest{Tag: Tag, MediaType: ocispec.MediaTypeImageManifest, File: f}
	o.small = map[Sum][]byte{f.Digest: raw}
	return parseImage(raw)
}

// readLines reads the bundle manifest f from r, and checks it.
func (o *opening) readLines(r io.Reader, f File) error {
	hash := sha256.New()
	counted := &counter{r: io.TeeReader(io.LimitReader(r, f.Size), hash)}
	parsed, err := parseLines(counted)
	if err != nil {
		// Damage of the file is why its lines are malformed, in most cases.
		if _, rest := io.Copy(io.Discard, counted); rest != nil {
			return errors.Join(err, rest)
		}
	}
	switch {
	case counted.n < f.Size:
		return fmt.Errorf("%w: it is cut off", errMalformed)
	case Sum(hash.Sum(nil)) != f.Digest:
		return fmt.Errorf("the bundle manifest is damaged: %w: its content is another one", artifact.ErrCorrupt)
	}
	o.lines = parsed
	return err
}

// counter counts what is read.
type counter struct {
	r io.Reader
	n int64
}

// Read counts what r gives.
func (c *counter) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += int64(n)
	return n, err
}

// checkConfig sees that the image is that of the lines.
func (o *opening) checkConfig(raw []byte) error {
	var c volumeConfig
	if err := json.Unmarshal(raw, &c); err != nil || c != (volumeConfig{o.lines.Bundle, o.lines.Volume}) {
		return fmt.Errorf("%w: the config of its image is about another volume", errMalformed)
	}
	return nil
}

// addSignatures takes the .sig manifest of the image, and returns the files that it lists, which are read into memory.
func (o *opening) addSignatures(f File, raw []byte) ([]File, error) {
	o.signed = &Manifest{Tag: sign.Tag(o.image.Digest.Digest()), MediaType: ocispec.MediaTypeImageManifest, File: f}
	o.small[f.Digest] = raw
	files, err := links(raw)
	left := int64(artifact.MaxManifest) // for all of them
	for _, f := range files {
		if err == nil {
			err = artifact.CheckSize("signatures of the volume: "+f.name(), f.Size, left)
		}
		left -= f.Size
	}
	return files, err
}

// readTar reads the opening of a tar, to the header of the first file of an item or to the end.
func (o *opening) readTar(t tarReader) error {
	if err := t.expect(ocispec.ImageLayoutFile, []byte(layoutFile)); err != nil {
		return fmt.Errorf("%w: %w", ErrNoBundle, err)
	}
	if err := t.skipIndex(); err != nil {
		return err
	}
	f, raw, err := t.manifest()
	if err != nil {
		return err
	}
	config, lines, err := o.addImage(f, raw)
	if err != nil {
		return err
	}
	if o.small[config.Digest], err = t.file(config); err != nil {
		return err
	}
	if err := t.Begin(lines.name(), lines.Size); err != nil {
		return err
	}
	if err := o.readLines(t, lines); err != nil {
		return err
	}
	if err := errors.Join(t.Finish(lines.Size), o.checkConfig(o.small[config.Digest])); err != nil || !o.lines.Signed {
		return err
	}
	return o.readTarSignatures(t)
}

// readTarSignatures reads the signatures of the image.
func (o *opening) readTarSignatures(t tarReader) error {
	f, raw, err := t.manifest()
	if err != nil {
		return err
	}
	files, err := o.addSignatures(f, raw)
	if err != nil {
		return err
	}
	for _, f := range files {
		if o.small[f.Digest], err = t.file(f); err != nil {
			return err
		}
	}
	return nil
}

// tarReader reads small files of a tar one after the other.
type tarReader struct{ ustar.Reader }

// file reads a file.
func (t tarReader) file(f File) ([]byte, error) {
	if err := t.Begin(f.name(), f.Size); err != nil {
		return nil, err
	}
	return t.content(f)
}

func (t tarReader) content(f File) ([]byte, error) {
	data, err := readSmall(t, f)
	if err != nil {
		return nil, err
	}
	return data, t.Finish(f.Size)
}

// expect reads a file whose content is known.
func (t tarReader) expect(name string, data []byte) error {
	if err := t.Begin(name, int64(len(data))); err != nil {
		return err
	}
	have := make([]byte, len(data))
	if _, err := io.ReadFull(t, have); err != nil {
		return ustar.CutOff(err)
	}
	if !bytes.Equal(have, data) {
		return fmt.Errorf("%w: the content of %s", ustar.ErrEntry, name)
	}
	return t.Finish(int64(len(data)))
}

// skipIndex passes index.json, which is for other tools: the bundle manifest says the same.
func (t tarReader) skipIndex() error {
	name, size, err := t.Next(ocispec.ImageIndexFile, func(name string) bool { return name == ocispec.ImageIndexFile })
	if err == nil {
		err = artifact.CheckSize(name, size, maxIndex)
	}
	if err != nil {
		return err
	}
	if _, err := io.CopyN(io.Discard, t, size); err != nil {
		return ustar.CutOff(err)
	}
	return t.Finish(size)
}

// manifest reads a manifest that only its header tells.
func (t tarReader) manifest() (f File, raw []byte, err error) {
	name, size, err := t.Next("the bundle manifest", func(name string) bool {
		f.Digest, err = sumOfName(name)
		return err == nil
	})
	if err == nil {
		err = artifact.CheckSize(name, size, artifact.MaxManifest)
	}
	if err != nil {
		return f, nil, err
	}
	f.Size = size
	raw, err = t.content(f)
	return f, raw, err
}
