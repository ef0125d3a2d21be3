package bundle

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/sync/errgroup"

	"github.com/modferry/modferry/artifact"
	"github.com/modferry/modferry/registry"
	"github.com/modferry/modferry/registry/transfer"
)

// look finds out what belongs to each item.
func (p *Plan) look(ctx context.Context, items []transfer.Item, jobs int) (found []*Item, err error) {
	all, held := make([]*Item, len(items)), make([]error, len(items))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(jobs)
	for n, item := range items {
		g.Go(func() (err error) {
			all[n], err = p.lookAt(ctx, item)
			if errors.Is(err, registry.ErrPolicy) {
				held[n], err = err, nil
			}
			if err != nil {
				return itemError(item.Repository, item.Tag, err)
			}
			return ctx.Err()
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	for n, i := range all {
		if held[n] != nil {
			p.HeldBack = append(p.HeldBack, &ItemError{items[n], held[n]})
			continue
		}
		if len(i.Manifests) == 1 {
			p.Unsigned = append(p.Unsigned, items[n])
		}
		found = append(found, i)
	}
	return found, nil
}

// An ItemError says that an item cannot be put into a bundle, because of what the store has of it.
type ItemError struct {
	Item transfer.Item
	Err  error
}

func itemError(repo, tag string, err error) error {
	return &ItemError{Item: transfer.Item{Repository: repo, Tag: tag}, Err: err}
}

// Error names the item.
func (e *ItemError) Error() string {
	return fmt.Sprintf("%s:%s: %v", e.Item.Repository, e.Item.Tag, e.Err)
}

// Unwrap returns what is wrong.
func (e *ItemError) Unwrap() error { return e.Err }

// lookAt finds out what belongs to an item: its manifest, and those with signatures of it.
func (p *Plan) lookAt(ctx context.Context, item transfer.Item) (*Item, error) {
	d, raw, err := p.store.Manifest(ctx, item.Repository, cmp.Or(string(item.Descriptor.Digest), item.Tag))
	if err != nil {
		return nil, err
	}
	signed, err := p.store.SignatureManifests(ctx, item.Repository, d.Digest)
	if err != nil {
		return nil, err
	}
	i := &Item{Repository: item.Repository}
	if err := i.add(item.Tag, d, raw); err != nil {
		return nil, err
	}
	slices.SortFunc(signed, func(a, b registry.SignatureManifest) int { // the .sig manifest first
		return cmp.Or(strings.Compare(b.Tag, a.Tag), strings.Compare(string(a.Descriptor.Digest), string(b.Descriptor.Digest)))
	})
	var list []byte // of referrers
	for _, m := range signed {
		if err := i.add(m.Tag, m.Descriptor, m.Raw); err != nil {
			return nil, err
		}
		if m.Tag != "" {
			continue
		}
		_, referrer := registry.Referrer(m.Descriptor, m.Raw)
		more, added, err := registry.AddReferrer(list, referrer)
		if err != nil {
			return nil, err
		}
		if added {
			list = more.Raw
		}
	}
	if list == nil {
		return i, nil
	}
	return i, p.addList(i, registry.ReferrersTag(d.Digest), list)
}

// addList adds the list of an item's referrers, which in a layout is under a tag.
func (p *Plan) addList(i *Item, tag string, list []byte) error {
	b := artifact.NewBlob(ocispec.MediaTypeImageIndex, list)
	if err := i.add(tag, b.Descriptor, list); err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.lists[i.Manifests[len(i.Manifests)-1].Digest] = list
	return nil
}

// add adds a manifest, and the blobs that it lists.
func (i *Item) add(tag string, d ocispec.Descriptor, raw []byte) error {
	f, err := fileOf(d)
	if err != nil {
		return err
	}
	blobs, err := links(raw)
	if err != nil {
		return fmt.Errorf("%s@%s: %w", i.Repository, d.Digest, err)
	}
	i.Manifests = append(i.Manifests, Manifest{Tag: tag, MediaType: d.MediaType, File: f})
	for _, b := range blobs {
		if !slices.ContainsFunc(i.Blobs, func(there Blob) bool { return there.Digest == b.Digest }) {
			i.Blobs = append(i.Blobs, Blob{File: b})
		}
	}
	return nil
}
