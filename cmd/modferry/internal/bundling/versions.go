package bundling

import (
	"context"
	"fmt"
	"iter"

	"golang.org/x/mod/module"

	"github.com/modferry/modferry/artifact"
	"github.com/modferry/modferry/registry/bundle"
	"github.com/modferry/modferry/registry/requirement"
	"github.com/modferry/modferry/registry/transfer"
)

// Versions lists the module versions in a volume: each once, mod-only if all of it is not there.
func Versions(ctx context.Context, v *bundle.Volume) iter.Seq2[requirement.Requirement, error] {
	return func(yield func(requirement.Requirement, error) bool) {
		var last requirement.Requirement
		for _, it := range v.Items() {
			version, modOnly, ok := artifact.ParseTag(it.Tag)
			if !ok || it.Kind() != transfer.Version {
				continue
			}
			path, err := pathOf(ctx, v, it)
			r := requirement.Requirement{Module: module.Version{Path: path, Version: version}, ModOnly: modOnly}
			if last.Module == r.Module { // the full one comes first
				continue
			}
			if last = r; !yield(r, err) {
				return
			}
		}
	}
}

// pathOf returns the module path of an item, which its repository's name or else its manifest tells.
func pathOf(ctx context.Context, v *bundle.Volume, it transfer.Item) (string, error) {
	if path, err := artifact.ModulePath(it.Repository); err == nil {
		return path, nil
	}
	_, raw, err := v.Manifest(ctx, it.Repository, it.Tag)
	if err != nil {
		return "", err
	}
	m, err := artifact.ParseManifest(raw)
	if err != nil {
		return "", fmt.Errorf("%v: %w", it, err)
	}
	return m.Module.Path, nil
}
