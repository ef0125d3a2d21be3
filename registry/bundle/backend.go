package bundle

import (
	"context"
	"fmt"
	"iter"
	"maps"
	"slices"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/modferry/modferry/artifact"
	"github.com/modferry/modferry/registry"
)

var _ registry.Backend = (*Volume)(nil)

// Referrers lists the manifests of the volume whose subject is the one with this digest: of an item, those without a tag.
func (v *Volume) Referrers(ctx context.Context, repo string, subject digest.Digest) (list []ocispec.Descriptor, err error) {
	listed := make(map[Sum]bool)
	for n := range v.lines.items {
		i := &v.lines.items[n]
		if i.Repository != repo || i.Manifests[0].Digest.Digest() != subject {
			continue
		}
		for m := range i.Manifests {
			if i.Manifests[m].Tag != "" || listed[i.Manifests[m].Digest] {
				continue
			}
			listed[i.Manifests[m].Digest] = true
			d, err := v.referrer(ctx, repo, &i.Manifests[m])
			if err != nil {
				return nil, err
			}
			list = append(list, d)
		}
	}
	return list, nil
}

// referrer describes a manifest as lists of referrers do.
func (v *Volume) referrer(ctx context.Context, repo string, m *Manifest) (d ocispec.Descriptor, err error) {
	d, raw, err := v.Manifest(ctx, repo, m.Digest.String())
	if err != nil {
		return d, err
	}
	_, d = registry.Referrer(d, raw)
	return d, nil
}

// Tags lists the tags of a repository of the volume.
func (v *Volume) Tags(_ context.Context, repo string) iter.Seq2[string, error] {
	tags, ok := v.tags[repo]
	if !ok {
		return func(yield func(string, error) bool) {
			yield("", v.fail("listing tags", repo, "", registry.ErrNotFound))
		}
	}
	return list(tags)
}

// Repositories lists the repositories of the volume.
func (v *Volume) Repositories(context.Context) iter.Seq2[string, error] {
	return list(slices.Sorted(maps.Keys(v.tags)))
}

func list(names []string) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		for _, name := range names {
			if !yield(name, nil) {
				return
			}
		}
	}
}

// PushBlob fails: a bundle takes nothing.
func (v *Volume) PushBlob(_ context.Context, repo string, b artifact.Blob) error {
	return v.fail("pushing blob", repo, string(b.Descriptor.Digest), errReadOnly)
}

// PushManifest fails: a bundle takes nothing.
func (v *Volume) PushManifest(_ context.Context, repo string, d ocispec.Descriptor, _ []byte, tag string) error {
	return v.fail("pushing manifest", repo, string(d.Digest), errReadOnly)
}

// CreateTag fails: a bundle takes nothing.
func (v *Volume) CreateTag(_ context.Context, repo string, _ ocispec.Descriptor, _ []byte, tag string, _ bool) error {
	return v.fail("pushing manifest", repo, tag, errReadOnly)
}

var errReadOnly = fmt.Errorf("a bundle takes nothing: %w", registry.ErrUnsupported)
