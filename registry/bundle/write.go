package bundle

import (
	"context"
	"crypto/sha256"
	"io"
	"slices"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/modferry/modferry/artifact"
	"github.com/modferry/modferry/artifact/sign"
	"github.com/modferry/modferry/registry/ocilayout"
)

// WriteOptions says how volumes are written.
type WriteOptions struct {
	Signer   *sign.Signer      // of the volumes; nil = they are not signed
	Progress func(bytes int64) // told of content that was written, piece by piece; nil = nobody is
}

// sink is where the files of a volume are written to, in their order.
type sink interface {
	// file writes a file of some size, whose content write writes.
	file(name string, size int64, write func(io.Writer) error) error
	// end is called after the last file.
	end() error
}

// writer writes a volume.
type writer struct {
	*Plan
	WriteOptions
	to     sink
	volume int // from 1
	buf    []byte
}

// write writes a volume. What is read from the store is verified: an error may come after all of a file was written.
func (w *writer) write(ctx context.Context) error {
	lines, err := measure(w.lines)
	if err != nil {
		return err
	}
	image, config, err := newImage(w.header.Bundle, w.volume, lines)
	if err != nil {
		return err
	}
	signed, err := w.sign(ctx, image)
	if err != nil {
		return err
	}
	if err := w.text(ocispec.ImageLayoutFile, []byte(layoutFile)); err != nil {
		return err
	}
	if err := w.index(image, signed); err != nil {
		return err
	}
	for _, b := range []artifact.Blob{image, config} {
		if err := w.blob(b); err != nil {
			return err
		}
	}
	if err := w.to.file(lines.name(), lines.Size, w.lines); err != nil {
		return err
	}
	if signed != nil {
		for _, b := range append([]artifact.Blob{artifact.NewBlob("", signed.Raw)}, signed.Blobs...) {
			if err := w.blob(b); err != nil {
				return err
			}
		}
	}
	if err := w.items(ctx); err != nil {
		return err
	}
	return w.to.end()
}

// lines writes the bundle manifest.
func (w *writer) lines(to io.Writer) error {
	h := w.header
	h.Volume, h.Signed = w.volume, w.Signer != nil
	if err := writeLine(to, h); err != nil {
		return err
	}
	for _, o := range w.omitted {
		if err := writeLine(to, o); err != nil {
			return err
		}
	}
	for _, i := range w.volumes[w.volume-1] {
		if err := writeLine(to, i); err != nil {
			return err
		}
	}
	return nil
}

// measure returns digest and size of what write writes.
func measure(write func(io.Writer) error) (File, error) {
	hash := sha256.New()
	var n sizeOnly
	err := write(io.MultiWriter(hash, &n))
	return File{Digest: Sum(hash.Sum(nil)), Size: int64(n)}, err
}

// sign returns the .sig image of a volume's image, nil if it is not to be signed. Its blobs are in the order of its
// manifest.
func (w *writer) sign(ctx context.Context, image artifact.Blob) (*artifact.Image, error) {
	if w.Signer == nil {
		return nil, nil
	}
	sig, err := w.Signer.Sign(ctx, image.Descriptor.Digest, Repository)
	if err != nil {
		return nil, err
	}
	signed, err := sign.Append(nil, sig)
	if err != nil {
		return nil, err
	}
	listed, err := links(signed.Raw)
	slices.SortFunc(signed.Blobs, func(a, b artifact.Blob) int {
		at := func(b artifact.Blob) int {
			return slices.IndexFunc(listed, func(f File) bool { return f.Digest.Digest() == b.Descriptor.Digest })
		}
		return at(a) - at(b)
	})
	return signed, err
}

// index writes index.json.
func (w *writer) index(image artifact.Blob, signed *artifact.Image) error {
	tags := []ocilayout.Tag{{Repository: Repository, Tag: Tag, Descriptor: image.Descriptor}}
	if signed != nil {
		tags = append(tags, ocilayout.Tag{Repository: Repository, Tag: sign.Tag(image.Descriptor.Digest), Descriptor: signed.Descriptor})
	}
	for _, i := range w.volumes[w.volume-1] {
		for _, m := range i.Manifests {
			if m.Tag != "" {
				tags = append(tags, ocilayout.Tag{Repository: i.Repository, Tag: m.Tag, Descriptor: m.Descriptor()})
			}
		}
	}
	write := func(to io.Writer) error { return ocilayout.WriteIndex(to, tags) }
	f, err := measure(write)
	if err != nil {
		return err
	}
	return w.to.file(ocispec.ImageIndexFile, f.Size, write)
}

// text writes a file that is in memory.
func (w *writer) text(name string, data []byte) error {
	return w.to.file(name, int64(len(data)), func(to io.Writer) error {
		_, err := to.Write(data)
		return err
	})
}

func (w *writer) blob(b artifact.Blob) error {
	f, err := fileOf(b.Descriptor)
	if err != nil {
		return err
	}
	r, err := b.Open()
	if err != nil {
		return err
	}
	defer r.Close()
	data, err := readSmall(r, f)
	if err != nil {
		return err
	}
	return w.text(f.name(), data)
}

// items writes the files of the items, each once.
func (w *writer) items(ctx context.Context) error {
	there := make(map[Sum]bool)
	for _, i := range w.volumes[w.volume-1] {
		for _, p := range i.pieces(w.volume) {
			if there[p.Digest] {
				continue
			}
			there[p.Digest] = true
			err := w.to.file(p.name(), p.Size, func(to io.Writer) error { return w.piece(ctx, to, i, p) })
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// A piece is a file of an item with what it is read from.
type piece struct {
	File
	manifest bool
	of       File  // the blob
	at       int64 // where it begins in the blob
}

// pieces returns the files of the item in volume k, as [Item.files] does.
func (i *Item) pieces(k int) (list []piece) {
	for _, m := range i.Manifests {
		list = append(list, piece{File: m.File, manifest: true})
	}
	for _, b := range i.Blobs {
		if !b.Base && b.Parts == nil {
			list = append(list, piece{File: b.File, of: b.File})
		}
		at := int64(0)
		for _, p := range b.Parts {
			if p.Volume == k {
				list = append(list, piece{File: p.File, of: b.File, at: at})
			}
			at += p.Size
		}
	}
	return list
}
