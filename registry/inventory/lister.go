package inventory

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"
	"golang.org/x/sync/errgroup"

	"github.com/modferry/modferry/artifact"
	"github.com/modferry/modferry/artifact/sign"
	"github.com/modferry/modferry/artifact/sumdb"
	"github.com/modferry/modferry/registry"
)

// A Lister finds out what a store holds: versions, recorded revisions, evidence, snapshots and indexes, each with its
// signatures. What else other tools may have put there is left out.
//
// Signatures are not verified: what a store holds is a question of digests.
type Lister struct {
	Store *registry.Store
	Jobs  int // repositories asked for at a time; 0 = 4

	// Logs are checksum databases whose snapshots are looked for where the catalog may not be read.
	Logs []*sumdb.Log
}

// batch is how many repositories are in memory.
const batch = 64

// Each calls do for each repository that holds something, in the order of names. It takes a listing for each, a HEAD
// for each tag and for each signed one another, and a GET for each snapshot; a layout tells without any of that.
//
// A repository that cannot be listed does not end it: broken says what is wrong with each. err is that of do, or says
// why there is no list.
func (l *Lister) Each(ctx context.Context, do func(Repository) error) (broken []error, err error) {
	names, broken, err := l.Names(ctx)
	if err != nil {
		return broken, err
	}
	for some := range slices.Chunk(names, batch) {
		found, faults := make([]Repository, len(some)), make([]error, len(some))
		var g errgroup.Group
		g.SetLimit(cmp.Or(l.Jobs, 4))
		for i, name := range some {
			g.Go(func() error {
				found[i], faults[i] = l.repository(ctx, name)
				return nil
			})
		}
		_ = g.Wait()
		if ctx.Err() != nil {
			return broken, context.Cause(ctx)
		}
		for i := range some {
			if faults[i] != nil {
				broken = append(broken, faults[i])
			} else if len(found[i].Tags) > 0 {
				if err := do(found[i]); err != nil {
					return broken, err
				}
			}
		}
		if errors.Is(faults[0], registry.ErrUnavailable) && !slices.ContainsFunc(faults, isNil) {
			return broken, faults[0] // it is not the repositories
		}
	}
	return broken, nil
}

func isNil(err error) bool { return err == nil }

// Names returns, sorted, the repositories that the indexes and the catalog name. Where there is an index, nobody
// needs the right to read the catalog.
func (l *Lister) Names(ctx context.Context) (names []string, broken []error, err error) {
	paths, err := l.Store.Index(ctx, sign.SkipVerify{})
	switch {
	case ctx.Err() != nil, errors.Is(err, registry.ErrUnavailable), errors.Is(err, registry.ErrNoLayout):
		return nil, nil, err
	case err != nil && !errors.Is(err, registry.ErrNotFound):
		broken = append(broken, err) // it may have named more modules
	}
	all := make(map[string]bool)
	for _, path := range paths {
		name, err := artifact.Repository(path)
		if err != nil {
			return nil, nil, err
		}
		all[name] = true
	}
	for name, err := range l.Store.Repositories(ctx) {
		switch {
		case err == nil:
			all[name] = kindOf(name) != nil
		case len(paths) > 0 && (errors.Is(err, registry.ErrDenied) || errors.Is(err, registry.ErrUnsupported)):
			all[artifact.IndexRepository] = true
			for _, log := range l.Logs {
				all[log.Repository()] = true
			}
		default:
			return nil, broken, err
		}
	}
	maps.DeleteFunc(all, func(_ string, ours bool) bool { return !ours })
	return slices.Sorted(maps.Keys(all)), broken, nil
}

// kindOf returns what tells the tags that belong in a repository, nil if the repository is none of a store's.
func kindOf(repo string) func(tag string) bool {
	if repo == artifact.IndexRepository {
		return artifact.IsIndexTag
	}
	if strings.HasPrefix(repo, sumdb.RepositoryPrefix) {
		return isSnapshotTag
	}
	if _, err := artifact.ModulePath(repo); err == nil || errors.Is(err, artifact.ErrLongName) {
		return isModuleTag
	}
	return nil
}

func isSnapshotTag(tag string) bool {
	_, ok := sumdb.ParseHeadTag(tag)
	return ok || tag == sumdb.LatestTag || sumdb.IsTileIndexTag(tag)
}

// IsModuleTag reports whether a tag belongs in a module's repository: that of a version, of evidence or of a
// revision, or of what is about one of these: signatures and referrers.
func IsModuleTag(tag string) bool { return isModuleTag(tag) || aboutAnother.MatchString(tag) }

// aboutAnother are tags made of the digest of what they are about.
var aboutAnother = regexp.MustCompile(`^sha256-[0-9a-f]{64}(\.sig)?$`)

func isModuleTag(tag string) bool {
	_, _, version := artifact.ParseTag(tag)
	_, evidence := artifact.ParseEvidenceTag(tag)
	return version || evidence || artifact.IsRevisionTag(tag)
}

// repository lists what is in a repository; nothing if there is no such repository any more.
func (l *Lister) repository(ctx context.Context, name string) (r Repository, err error) {
	r.Name = name
	belongs, others := kindOf(name), make(map[string]bool)
	var tags []string
	for tag, err := range l.Store.Tags(ctx, name) {
		switch {
		case errors.Is(err, registry.ErrNotFound):
			return r, nil
		case err != nil:
			return r, err
		case belongs(tag):
			tags = append(tags, tag)
		default:
			others[tag] = true
		}
	}
	slices.Sort(tags)
	for _, name := range slices.Compact(tags) {
		t := Tag{Name: name}
		if t.Digest, err = l.resolve(ctx, r.Name, name); err != nil {
			return r, err
		}
		if t.Digest == "" {
			continue
		}
		about := map[string]*digest.Digest{sign.Tag(t.Digest): &t.Signatures, registry.ReferrersTag(t.Digest): &t.Referrers}
		for tag, of := range about {
			if !others[tag] {
				continue
			}
			if *of, err = l.resolve(ctx, r.Name, tag); err != nil {
				return r, err
			}
		}
		r.Tags = append(r.Tags, t)
	}
	if strings.HasPrefix(name, sumdb.RepositoryPrefix) {
		r.Blobs, err = l.snapshotBlobs(ctx, r)
	}
	return r, err
}

// resolve returns the digest of what a tag names, "" if the tag is gone since it was listed.
func (l *Lister) resolve(ctx context.Context, repo, tag string) (digest.Digest, error) {
	d, err := l.Store.Resolve(ctx, repo, tag)
	if errors.Is(err, registry.ErrNotFound) {
		return "", nil
	}
	return d.Digest, err
}

// snapshotBlobs returns the blobs of all snapshots in a repository.
func (l *Lister) snapshotBlobs(ctx context.Context, r Repository) ([]digest.Digest, error) {
	blobs, read := make(map[digest.Digest]bool), make(map[digest.Digest]bool)
	for _, t := range r.Tags {
		if read[t.Digest] {
			continue
		}
		read[t.Digest] = true
		_, raw, err := l.Store.Manifest(ctx, r.Name, string(t.Digest))
		if err != nil {
			return nil, err
		}
		m, err := sumdb.ParseManifest(raw)
		if err != nil {
			continue // it has nothing that a snapshot needs
		}
		blobs[m.Config.Digest] = true
		for _, d := range m.Layers {
			blobs[d.Digest] = true
		}
	}
	return slices.Sorted(maps.Keys(blobs)), nil
}
