package bundle

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/modferry/modferry/artifact"
	"github.com/modferry/modferry/registry/bundle/ustar"
	"github.com/modferry/modferry/registry/transfer"
)

// What a volume takes beside its items, at most.
const (
	roomOpening = 32 << 10 // all of the opening but for the following
	roomSummary = 200      // of a volume
	roomEntry   = 256      // of index.json, without its names
	roomPart    = 200      // in the line of an item
)

// reserve returns how much of a volume is not for items.
func (p *Plan) reserve(items []*Item, volumeSize int64) int64 {
	size := int64(roomOpening)
	for _, o := range p.omitted {
		size += lineSize(o)
	}
	if volumeSize == 0 {
		return size
	}
	var total int64
	for _, i := range items {
		total += lineSize(i)
		i.files(0, func(f File) { total += ustar.Size(f.Size) })
	}
	return size + roomSummary*(2+4*total/volumeSize)
}

// lineSize is the size of a value's line.
func lineSize(value any) int64 {
	var n sizeOnly
	_ = writeLine(&n, value)
	return int64(n)
}

// sizeOnly counts what is written.
type sizeOnly int64

// Write counts p, and never fails.
func (n *sizeOnly) Write(p []byte) (int, error) {
	*n += sizeOnly(len(p))
	return len(p), nil
}

// pack puts items into volumes that have limit bytes for them: one after the other, in their order. One that fits
// into no volume is cut.
func pack(items []*Item, limit int64, limited bool) ([][]*Item, error) {
	p := packer{limit: limit, limited: limited}
	p.next()
	for n, i := range items {
		if limited && !p.takes(unit(items[n:])) {
			p.next()
		}
		if err := p.add(i); err != nil {
			return nil, err
		}
	}
	return p.volumes, nil
}

// unit returns the items at the beginning of a list that belong into one volume: the evidence for a version, and the
// version in both its forms.
func unit(items []*Item) []*Item {
	first := transfer.Item{Repository: items[0].Repository, Tag: items[0].Tag()}
	n := 1
	for first.Kind() == transfer.Evidence && n < len(items) {
		next := transfer.Item{Repository: items[n].Repository, Tag: items[n].Tag()}
		if next.Kind() != transfer.Version || next.Repository != first.Repository || next.Version() != first.Version() {
			break
		}
		n++
	}
	return items[:n]
}

// takes reports whether the last volume has room for a unit, or an empty one would not have it either.
func (p *packer) takes(unit []*Item) bool {
	var size, alone int64
	for _, i := range unit {
		size += cost(i, p.there)
		alone += cost(i, nil)
	}
	return p.used+size <= p.limit || alone > p.limit
}

type packer struct {
	limit   int64
	limited bool
	volumes [][]*Item
	there   map[Sum]bool // in the last one
	used    int64        // of it
}

// next begins a volume.
func (p *packer) next() {
	p.volumes, p.there, p.used = append(p.volumes, nil), make(map[Sum]bool), 0
}

// cost is what an item takes in a volume that has some files already.
func cost(i *Item, there map[Sum]bool) int64 {
	size := lineSize(i)
	for _, m := range i.Manifests {
		size += int64(len(i.Repository)+len(m.Tag)+len(m.MediaType)) + roomEntry
	}
	own := make(map[Sum]bool)
	i.files(0, func(f File) {
		if !there[f.Digest] && !own[f.Digest] {
			own[f.Digest] = true
			size += ustar.Size(f.Size)
		}
	})
	return size
}

func (p *packer) add(i *Item) error {
	if !p.limited || p.used+cost(i, p.there) <= p.limit {
		p.put(i, 0)
		return nil
	}
	if cost(i, nil) <= p.limit {
		p.next()
		p.put(i, 0)
		return nil
	}
	return p.cut(i)
}

// put puts an item into the last volume, which takes so much more than its whole files.
func (p *packer) put(i *Item, more int64) {
	last := len(p.volumes) - 1
	p.volumes[last] = append(p.volumes[last], i)
	p.used += cost(i, p.there) + more
	i.files(0, func(f File) { p.there[f.Digest] = true })
}

// cut puts an item into several volumes: its largest blobs in parts, and the rest of it into each.
func (p *packer) cut(i *Item) error {
	bySize := make([]*Blob, len(i.Blobs))
	for n := range i.Blobs {
		bySize[n] = &i.Blobs[n]
	}
	slices.SortStableFunc(bySize, func(a, b *Blob) int { return cmp.Compare(b.Size, a.Size) })
	var whole []*Blob
	var lines int64 // of the parts
	for _, b := range bySize {
		if cost(i, nil)+lines <= p.limit/2 {
			break
		}
		if !b.Base {
			whole, b.Parts = append(whole, b), []Part{}
			lines += roomPart * (3 + 4*b.Size/max(p.limit, 1))
		}
	}
	if cost(i, nil)+lines > p.limit/2 {
		return itemError(i.Repository, i.Tag(), fmt.Errorf("%w for volumes of this size: of it, %d bytes have to be in each volume", artifact.ErrLimit, cost(i, nil)))
	}
	here := false // the item is in the last volume
	for _, b := range whole {
		for left := b.Size; left > 0; {
			rest := int64(0)
			if !here {
				rest = cost(i, p.there) + lines
			}
			room := p.limit - p.used - rest - 2*ustar.BlockSize
			if room < min(left, p.limit/8) {
				p.next()
				here = false
				continue
			}
			if !here {
				p.put(i, lines)
				here = true
			}
			part := Part{Volume: len(p.volumes), File: File{Size: min(left, room)}}
			b.Parts, left = append(b.Parts, part), left-part.Size
			p.used += ustar.Size(part.Size)
		}
	}
	return nil
}
