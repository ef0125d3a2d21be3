package prune

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/mod/module"
	"golang.org/x/mod/semver"
	"golang.org/x/sync/errgroup"

	"github.com/modferry/modferry/artifact"
	"github.com/modferry/modferry/artifact/goproxy"
	"github.com/modferry/modferry/artifact/sumdb"
	"github.com/modferry/modferry/registry"
	"github.com/modferry/modferry/registry/inventory"
)

// A Planner plans what to remove from a store.
type Planner struct {
	Rules
	Lister inventory.Lister // of the store
}

// repository is what a store holds of one module.
type repository struct {
	inventory.Repository
	versions []held // in semver order
}

// Plan lists the store, reads the go.mod of each version that stays, and the manifest of each that goes. Nothing is
// changed. A repository that cannot be listed, and a go.mod that cannot be read, are errors: what depends on them is
// not known.
func (p *Planner) Plan(ctx context.Context) (*Plan, error) {
	modules, err := p.modules(ctx)
	if err != nil {
		return nil, fmt.Errorf("planning what to remove from %s: %w", p.Lister.Store, err)
	}
	keep, err := p.kept(ctx, modules)
	if err != nil {
		return nil, fmt.Errorf("planning what to remove from %s: %w", p.Lister.Store, err)
	}
	plan := &Plan{Store: storeName(p.Lister.Store)}
	var g errgroup.Group
	g.SetLimit(p.jobs())
	removals := make([][]Removal, len(modules))
	for i, m := range modules {
		g.Go(func() (err error) {
			removals[i], err = p.removals(ctx, m, keep)
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return nil, fmt.Errorf("planning what to remove from %s: %w", p.Lister.Store, err)
	}
	plan.Removals = slices.Concat(removals...)
	return plan, nil
}

func (p *Planner) jobs() int { return cmp.Or(p.Lister.Jobs, 4) }

// modules lists what the store holds of each module.
func (p *Planner) modules(ctx context.Context) (all []repository, err error) {
	broken, err := p.Lister.Each(ctx, func(r inventory.Repository) error {
		if r.Name == artifact.IndexRepository || strings.HasPrefix(r.Name, sumdb.RepositoryPrefix) {
			return nil
		}
		path, err := p.path(ctx, r)
		if err == nil {
			all = append(all, repository{Repository: r, versions: versionsOf(path, r.Tags)})
		}
		return err
	})
	return all, errors.Join(append(broken, err)...)
}

// path returns the path of the module that a repository is of. A name that does not tell is that of a manifest in it.
func (p *Planner) path(ctx context.Context, r inventory.Repository) (string, error) {
	path, err := artifact.ModulePath(r.Name)
	if err == nil {
		return path, nil
	}
	for _, t := range r.Tags {
		if _, _, ok := artifact.ParseTag(t.Name); !ok {
			continue
		}
		_, raw, err := p.Lister.Store.Manifest(ctx, r.Name, t.Name)
		if err != nil {
			return "", err
		}
		m, err := artifact.ParseManifest(raw)
		if err != nil {
			return "", fmt.Errorf("%s: %w", p.Lister.Store.Reference(r.Name, t.Name), err)
		}
		if own, err := artifact.Repository(m.Module.Path); err == nil && own == r.Name {
			return m.Module.Path, nil
		}
	}
	return "", fmt.Errorf("%s: %w", p.Lister.Store.Reference(r.Name, ""), registry.ErrNoPath)
}

// versionsOf returns the versions among the tags of a module.
func versionsOf(path string, tags []inventory.Tag) (list []held) {
	at := make(map[string]int)
	for _, t := range tags {
		version, modOnly, ok := artifact.ParseTag(t.Name)
		if !ok {
			continue
		}
		i, known := at[version]
		if !known {
			i = len(list)
			at[version] = i
			list = append(list, held{Version: module.Version{Path: path, Version: version}})
		}
		if modOnly {
			list[i].modOnly = &t
		} else {
			list[i].full = &t
		}
	}
	slices.SortFunc(list, func(a, b held) int {
		v, w := a.Version.Version, b.Version.Version
		return cmp.Or(semver.Compare(v, w), cmp.Compare(v, w))
	})
	return list
}

// kept says what stays of a version.
type kept struct {
	full, mod  map[module.Version]bool
	requiredBy map[module.Version]module.Version
}

// kept returns what the rules keep: versions in full, and versions of which the go.mod is needed.
func (p *Planner) kept(ctx context.Context, modules []repository) (k kept, err error) {
	k.full, k.mod = p.named()
	g := graph{
		Rules: &p.Rules, store: p.Lister.Store, jobs: p.jobs(),
		held: make(map[module.Version]held), requiredBy: make(map[module.Version]module.Version),
	}
	for _, m := range modules {
		newest := p.newest(m.versions)
		for _, v := range m.versions {
			g.held[v.Version] = v
			if newest[v.Version] || p.keepsToolchain(v.Version) {
				k.full[v.Version] = true
			}
		}
	}
	if p.Keep < 0 {
		return k, nil
	}
	for _, set := range []map[module.Version]bool{k.full, k.mod} {
		for m := range set {
			if p.dropped(m) == "" {
				g.requiredBy[m] = module.Version{}
			}
		}
	}
	err = g.close(ctx)
	k.requiredBy = g.requiredBy
	return k, err
}

func (r *Rules) keepsToolchain(m module.Version) bool {
	return goproxy.IsToolchain(m) && slices.Contains(r.Toolchains, goproxy.ReleaseOf(m.Version))
}

// reason returns why a version goes in one of its forms; "" = it stays.
func (p *Planner) reason(v held, modOnly bool, k kept) string {
	by, needed := k.requiredBy[v.Version]
	if why := p.dropped(v.Version); why != "" {
		switch {
		case k.full[v.Version] || k.mod[v.Version]:
			why += "; a project names it all the same"
		case needed:
			why += "; " + by.String() + " requires it all the same"
		}
		return why
	}
	switch {
	case p.Keep < 0:
		return ""
	case !modOnly && (k.full[v.Version] || needed && v.modOnly == nil):
		return ""
	case modOnly && needed:
		return ""
	}
	return p.outdated(v, modOnly)
}
