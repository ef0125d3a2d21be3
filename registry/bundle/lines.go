package bundle

import (
	"crypto/sha256"
	"encoding/json"
	"hash"
	"io"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// formatVersion is that of the header.
const formatVersion = "1"

// blobsDir is where files are in a layout.
const blobsDir = ocispec.ImageBlobsDir + "/sha256"

// formatStart begins the header of every format.
const formatStart = `{"format":"`

// header is the first of the lines.
type header struct {
	Format  string    `json:"format"`
	Bundle  Sum       `json:"bundle,omitzero"`
	Volume  int       `json:"volume,omitzero"`
	Signed  bool      `json:"signed,omitempty"`
	Base    Sum       `json:"base,omitzero"`
	Source  string    `json:"source,omitempty"`
	Omitted int       `json:"omitted"`
	Volumes []Summary `json:"volumes"`
}

// A Summary is what a bundle says about one of its volumes.
type Summary struct {
	Items  int   `json:"items"`
	Files  int   `json:"files"`  // of the items
	Size   int64 `json:"size"`   // of these files
	Digest Sum   `json:"digest"` // of the lines of the items
}

// An Item is a tag with all that belongs to it.
type Item struct {
	Repository string     `json:"repository"`
	Manifests  []Manifest `json:"manifests"` // the first is under the item's tag, the others vouch for it
	Blobs      []Blob     `json:"blobs,omitempty"`
}

// A Manifest is a manifest of an item.
type Manifest struct {
	Tag       string `json:"tag,omitempty"`
	MediaType string `json:"mediaType"`
	File
}

// A Blob is what the manifests of an item list.
type Blob struct {
	File
	Base  bool   `json:"base,omitempty"` // it is not in the bundle: the other side has it
	Parts []Part `json:"parts,omitempty"`
}

// A Part is a file that is a piece of a larger one.
type Part struct {
	Volume int `json:"volume"`
	File
}

// A File is content, known by its digest.
type File struct {
	Digest Sum   `json:"digest"`
	Size   int64 `json:"size"`
}

// An omitted item is one that the other side has.
type omitted struct {
	Repository string `json:"repository"`
	Manifest
}

// Tag returns the item's tag.
func (i *Item) Tag() string { return i.Manifests[0].Tag }

// Descriptor describes the manifest.
func (m *Manifest) Descriptor() ocispec.Descriptor {
	return ocispec.Descriptor{MediaType: m.MediaType, Digest: m.Digest.Digest(), Size: m.Size}
}

// name is the file's name in a layout.
func (f File) name() string { return blobsDir + "/" + f.Digest.hex() }

// files calls yield for each file of the item that is in volume k, in their order in a tar.
func (i *Item) files(k int, yield func(File)) {
	for _, m := range i.Manifests {
		yield(m.File)
	}
	for _, b := range i.Blobs {
		if !b.Base && b.Parts == nil {
			yield(b.File)
		}
		for _, p := range b.Parts {
			if p.Volume == k {
				yield(p.File)
			}
		}
	}
}

// each calls yield for each file of the volume's items once, in their order in a tar.
func (l *lines) each(yield func(File)) {
	seen := make(map[Sum]bool)
	for n := range l.items {
		l.items[n].files(l.Volume, func(f File) {
			if !seen[f.Digest] {
				seen[f.Digest] = true
				yield(f)
			}
		})
	}
}

// identity returns a hash that has the header in it, and lacks the lines of what is omitted to be the digest that
// identifies the bundle.
func identity(h *header) hash.Hash {
	common := *h
	common.Bundle, common.Volume, common.Signed = Sum{}, 0, false
	id := sha256.New()
	_ = writeLine(id, common) // a hash takes everything
	return id
}

// writeLine writes a value as the lines have it.
func writeLine(w io.Writer, value any) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	return e.Encode(value)
}
