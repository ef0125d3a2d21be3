package bundle

import (
	"cmp"
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"sync"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/modferry/modferry/artifact"
	"github.com/modferry/modferry/artifact/sign"
	"github.com/modferry/modferry/registry"
	"github.com/modferry/modferry/registry/inventory"
	"github.com/modferry/modferry/registry/transfer"
)

// PlanOptions says what a bundle is to be.
type PlanOptions struct {
	Source string               // where it is from, for people; "" = nobody's business
	Base   *inventory.Inventory // what the other side has; nil = nothing

	// VolumeSize is the size of a volume in bytes; 0 = there is one, of whatever size.
	VolumeSize int64
	// Jobs is how many items are looked at a time; 0 = 4.
	Jobs int
}

// A Plan is a bundle that is to be written: what is in which volume. Its memory grows with the number of items, by
// about a kilobyte for each, and not with their size.
type Plan struct {
	store   *registry.Store
	header  header
	omitted []omitted
	volumes [][]*Item

	mu    sync.Mutex
	lists map[Sum][]byte // of referrers, by digest: they are not in the store

	// Unsigned are the items that have no signature.
	Unsigned []transfer.Item
	// HeldBack says of items that are not in the bundle by which policy the registry does not give them.
	HeldBack []*ItemError
}

// keptSmall is the size up to which a blob is in the bundle although the other side has it: what is needed to verify an
// item is at hand.
const keptSmall = artifact.MaxInlineMeta

// NewPlan looks at items in a store, with a request or two for each, and makes a plan for a bundle of them. They come
// in the order in which they are to be loaded; see [transfer.Compare]. The descriptor of an item may be left out. Of
// files that are larger than a volume all is read. An error is that of the store, and names the item.
func NewPlan(ctx context.Context, store *registry.Store, items []transfer.Item, o PlanOptions) (*Plan, error) {
	p := &Plan{store: store, lists: make(map[Sum][]byte), header: header{Format: formatVersion, Source: o.Source}}
	if o.Base != nil {
		base, err := SumOf(o.Base.Digest())
		if err != nil {
			return nil, fmt.Errorf("inventory: %w", err)
		}
		p.header.Base = base
	}
	found, err := p.look(ctx, items, cmp.Or(o.Jobs, 4))
	if err != nil {
		return nil, err
	}
	var in []*Item
	for _, i := range found {
		if o.Base == nil || !p.leaveOut(i, o.Base) {
			in = append(in, i)
		}
	}
	p.header.Omitted = len(p.omitted)
	limit := o.VolumeSize - p.reserve(in, o.VolumeSize)
	if o.VolumeSize > 0 && limit < roomOpening {
		return nil, fmt.Errorf("volumes of %d bytes: %w for what each has to say about the bundle", o.VolumeSize, artifact.ErrLimit)
	}
	if p.volumes, err = pack(in, limit, o.VolumeSize > 0); err != nil {
		return nil, err
	}
	if err := p.sumParts(ctx); err != nil {
		return nil, err
	}
	return p, p.summarize()
}

// leaveOut leaves out of an item what the other side has. It reports whether that is all of it.
func (p *Plan) leaveOut(i *Item, base *inventory.Inventory) bool {
	first := i.Manifests[0]
	has := base.Has(i.Repository, first.Tag, first.Digest.Digest())
	if has && i.signaturesIn(base) {
		p.omitted = append(p.omitted, omitted{i.Repository, first})
		return true
	}
	for n := range i.Blobs {
		b := &i.Blobs[n]
		b.Base = b.Size > keptSmall && (has || base.HasBlob(i.Repository, b.Digest.Digest()))
	}
	return false
}

// signaturesIn reports whether an inventory has all that vouches for the item.
func (i *Item) signaturesIn(base *inventory.Inventory) bool {
	first := &i.Manifests[0]
	for _, m := range i.Manifests[1:] {
		has := true // of a referrer, its list tells
		switch m.Tag {
		case sign.Tag(first.Digest.Digest()):
			has = base.HasSignatures(i.Repository, first.Tag, m.Digest.Digest())
		case registry.ReferrersTag(first.Digest.Digest()):
			has = base.HasReferrers(i.Repository, first.Tag, m.Digest.Digest())
		}
		if !has {
			return false
		}
	}
	return true
}

// sumParts reads the blobs that are cut, to know the digests of their parts before anything is written.
func (p *Plan) sumParts(ctx context.Context) error {
	done := make(map[*Item]bool)
	for _, items := range p.volumes {
		for _, i := range items {
			for n := range i.Blobs {
				if b := &i.Blobs[n]; b.Parts != nil && !done[i] {
					if err := p.sumPartsOf(ctx, i.Repository, b); err != nil {
						return itemError(i.Repository, i.Tag(), err)
					}
				}
			}
			done[i] = true
		}
	}
	return nil
}

func (p *Plan) sumPartsOf(ctx context.Context, repo string, b *Blob) error {
	r, err := p.store.Blob(ctx, repo, descriptor(b.File))
	if err != nil {
		return err
	}
	defer r.Close()
	for n := range b.Parts {
		hash := sha256.New()
		if _, err := io.CopyN(hash, r, b.Parts[n].Size); err != nil {
			return err
		}
		b.Parts[n].Digest = Sum(hash.Sum(nil))
	}
	_, err = io.Copy(io.Discard, r) // to the end, where it is verified
	return err
}

// descriptor describes a blob, as far as it takes to read it.
func descriptor(f File) ocispec.Descriptor {
	return ocispec.Descriptor{MediaType: "application/octet-stream", Digest: f.Digest.Digest(), Size: f.Size}
}

// summarize says what is in the volumes, which identifies the bundle.
func (p *Plan) summarize() error {
	for n, items := range p.volumes {
		c, hash := newContents(), sha256.New()
		for _, i := range items {
			if err := writeLine(hash, i); err != nil {
				return err
			}
			if err := c.add(i, n+1); err != nil {
				return err
			}
		}
		p.header.Volumes = append(p.header.Volumes,
			Summary{Items: len(items), Files: len(c.sizes), Size: c.total, Digest: Sum(hash.Sum(nil))})
	}
	id := identity(&p.header)
	for _, o := range p.omitted {
		if err := writeLine(id, o); err != nil {
			return err
		}
	}
	p.header.Bundle = Sum(id.Sum(nil))
	return nil
}

// Volumes returns what is in each volume.
func (p *Plan) Volumes() []Summary { return p.header.Volumes }

// Bundle returns the digest that identifies the bundle.
func (p *Plan) Bundle() digest.Digest { return p.header.Bundle.Digest() }

// Omitted returns how many items the other side has.
func (p *Plan) Omitted() int { return len(p.omitted) }
