package bundle

import (
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/modferry/modferry/registry/transfer"
)

// Info is what a volume says about itself and about its bundle.
type Info struct {
	Bundle  digest.Digest // identifies it
	Volume  int           // from 1
	Volumes []Summary     // of the bundle
	Signed  bool          // whether rightly so, [Volume.Verify] tells
	Base    digest.Digest // of the inventory that the bundle adds to; "" = it is complete
	Omitted int           // items that are in the base
	Source  string        // "" = it does not say
}

// Info returns what the volume says about itself.
func (v *Volume) Info() Info {
	h := v.lines.header
	i := Info{Bundle: h.Bundle.Digest(), Volume: h.Volume, Volumes: h.Volumes, Signed: h.Signed, Omitted: h.Omitted, Source: h.Source}
	if h.Base != (Sum{}) {
		i.Base = h.Base.Digest()
	}
	return i
}

// Missing returns how many bytes lack at the end of a file that was cut off.
func (v *Volume) Missing() int64 { return max(0, v.short) }

// Omitted returns the items that are not in the bundle because the base has them.
func (v *Volume) Omitted() []transfer.Item {
	items := make([]transfer.Item, len(v.lines.omitted))
	for n := range v.lines.omitted {
		o := &v.lines.omitted[n]
		items[n] = transfer.Item{Repository: o.Repository, Tag: o.Tag, Descriptor: o.Descriptor()}
	}
	return items
}

// LeftOut returns the blobs of the nth item that are not in the bundle because the base has them.
func (v *Volume) LeftOut(n int) (blobs []ocispec.Descriptor) {
	for _, b := range v.lines.items[n].Blobs {
		if b.Base {
			blobs = append(blobs, descriptor(b.File))
		}
	}
	return blobs
}
