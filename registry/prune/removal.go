package prune

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/modferry/modferry/artifact"
	"github.com/modferry/modferry/artifact/sign"
	"github.com/modferry/modferry/registry"
	"github.com/modferry/modferry/registry/inventory"
)

// removals returns what goes of a module.
func (p *Planner) removals(ctx context.Context, m repository, k kept) (list []Removal, err error) {
	companions := make(map[string][]Companion)
	for _, v := range m.versions {
		gone, err := p.forms(ctx, m, v, k)
		if err != nil {
			return nil, err
		}
		both := v.full != nil && v.modOnly != nil
		if len(gone) == 2 || len(gone) == 1 && !both {
			if len(companions) == 0 {
				if companions, err = p.companions(ctx, m); err != nil {
					return nil, err
				}
			}
			last := &gone[len(gone)-1]
			last.With = append(last.With, companions[v.Version.Version]...)
		}
		list = append(list, gone...)
	}
	return list, nil
}

// forms returns the forms of a version that go, each with its signatures.
func (p *Planner) forms(ctx context.Context, m repository, v held, k kept) (list []Removal, err error) {
	for _, t := range []*inventory.Tag{v.full, v.modOnly} {
		if t == nil {
			continue
		}
		why := p.reason(v, t == v.modOnly, k)
		if why == "" {
			continue
		}
		r := Removal{Repository: m.Name, Tag: t.Name, Digest: t.Digest, Reason: why, With: signed(nil, *t)}
		if r.Size, err = p.size(ctx, m.Name, t.Digest); err != nil {
			return nil, err
		}
		list = append(list, r)
	}
	return list, nil
}

// signed adds the signatures of what a tag names to what goes, and the list of its referrers, if it has any.
func signed(list []Companion, t inventory.Tag) []Companion {
	if t.Signatures != "" {
		list = append(list, Companion{Tag: sign.Tag(t.Digest), Digest: t.Signatures})
	}
	if t.Referrers != "" {
		list = append(list, Companion{Tag: registry.ReferrersTag(t.Digest), Digest: t.Referrers})
	}
	return list
}

// companions returns, by version, what goes with a version that goes in all its forms: evidence and revisions, with
// their signatures. A revision that cannot be read stays.
func (p *Planner) companions(ctx context.Context, m repository) (map[string][]Companion, error) {
	all := make(map[string][]Companion)
	for _, t := range m.Tags {
		version, ok := artifact.ParseEvidenceTag(t.Name)
		if artifact.IsRevisionTag(t.Name) {
			var err error
			if version, err = means(ctx, p.Lister.Store, m.Name, t.Digest); err != nil {
				return nil, err
			}
			ok = version != ""
		}
		if ok {
			all[version] = signed(append(all[version], Companion{t.Name, t.Digest}), t)
		}
	}
	return all, nil
}

// means returns the version that a recorded revision means; "" if it is none or is gone.
func means(ctx context.Context, store *registry.Store, repo string, d digest.Digest) (version string, err error) {
	_, raw, err := store.Manifest(ctx, repo, string(d))
	if err != nil {
		return "", tolerable(ctx, err)
	}
	r, err := artifact.ParseRevision(raw)
	if err != nil {
		return "", nil
	}
	return r.Version, nil
}

// tolerable returns err unless it says something about the content that was asked for.
func tolerable(ctx context.Context, err error) error {
	for _, e := range []error{registry.ErrNotFound, registry.ErrCorrupt, registry.ErrPolicy, artifact.ErrLimit} {
		if errors.Is(err, e) && ctx.Err() == nil {
			return nil
		}
	}
	return err
}

// size returns how many bytes a manifest and what it lists have; 0 if it cannot be read.
func (p *Planner) size(ctx context.Context, repo string, d digest.Digest) (int64, error) {
	desc, raw, err := p.Lister.Store.Manifest(ctx, repo, string(d))
	if err != nil {
		if err := tolerable(ctx, err); err != nil {
			return 0, fmt.Errorf("its size: %w", err)
		}
		return 0, nil
	}
	var m ocispec.Manifest
	if json.Unmarshal(raw, &m) != nil {
		return desc.Size, nil
	}
	size := desc.Size + max(0, m.Config.Size)
	for _, l := range m.Layers {
		size += max(0, l.Size)
	}
	return size, nil
}
