package ocilayout

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/modferry/modferry/artifact"
	"github.com/modferry/modferry/registry"
)

// errForeign: index.json has an entry for the tag in another tool's words.
var errForeign = fmt.Errorf("another tool wrote its entry in index.json, which is left alone: %w", registry.ErrUnsupported)

// Delete implements registry.Deleter:
//
//   - Lock; fold; write index.json without the tags.
//   - Remove the blobs of the manifests that nobody names any more and that no other manifest needs; of each manifest
//     first what it lists and then the manifest itself, so that who goes on after a kill finds out what is left.
//   - Unlock. Who pushes meanwhile tags under the lock, and only what is still there.
//
// What the layout's other manifests need is known before anything is changed: one that cannot be read is an error.
func (l *layout) Delete(ctx context.Context, list []registry.Deletion, done func(registry.Deletion, error)) error {
	err := l.view.read(func(*index) {}) // nothing is created
	if err == nil {
		err = l.prepare(ctx)
	}
	if err == nil {
		err = l.delete(ctx, list, done)
	}
	return l.fail("deleting from", "", "", err)
}

func (l *layout) delete(ctx context.Context, list []registry.Deletion, done func(registry.Deletion, error)) error {
	needed := needs{layout: l, read: make(map[digest.Digest]bool), blobs: make(map[digest.Digest]bool)}
	if err := needed.by(ctx, l.without(list)); err != nil { // most of it, before others wait
		return err
	}
	unlock, err := l.lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	if err := needed.by(ctx, l.without(list)); err != nil {
		return err
	}
	if err := l.fold(); err != nil {
		return err
	}
	results := make([]error, len(list))
	var left *index
	err = l.view.read(func(x *index) { left = x.remove(list, results) })
	if err == nil && left != nil {
		err = l.writeFile(ocispec.ImageIndexFile, left.write)
	}
	if err != nil {
		return err
	}
	var gone []digest.Digest
	for i, d := range list {
		done(d, results[i])
		if results[i] == nil || errors.Is(results[i], registry.ErrNotFound) {
			gone = append(gone, d.Digest)
		}
	}
	return l.sweepBlobs(ctx, gone, needed.blobs)
}

// remove returns the index without tags, nil if it has none of them, and what is to be said of each.
func (x *index) remove(list []registry.Deletion, results []error) *index {
	drop := make(map[string]bool)
	for i, d := range list {
		e, ok := x.find(d.Repository, d.Tag)
		switch {
		case !ok:
			results[i] = registry.ErrNotFound
		case e.digest != string(d.Digest):
			results[i] = registry.ErrTagExists
		case !x.owns(d.Repository, d.Tag):
			results[i] = errForeign
		default:
			drop[e.ref] = true
		}
	}
	if len(drop) == 0 {
		return nil
	}
	left := *x
	left.sorted = slices.DeleteFunc(slices.Clone(x.sorted), func(e entry) bool { return drop[e.ref] })
	left.journal = tags{}
	for _, entries := range x.journal {
		for _, e := range entries {
			if !drop[e.ref] {
				left.journal.add(e)
			}
		}
	}
	return &left
}

// owns reports whether the entry of a tag is one of this package.
func (x *index) owns(repo, tag string) bool {
	if _, ok := x.journal.find(repo, tag); ok {
		return true
	}
	_, ok := slices.BinarySearchFunc(x.sorted, repo+":"+tag, compareRef)
	return ok
}

// without returns what the layout names but for some tags, as far as they name what they are expected to.
func (l *layout) without(list []registry.Deletion) func() ([]ocispec.Descriptor, error) {
	drop := make(map[string]digest.Digest, len(list))
	for _, d := range list {
		drop[d.Repository+":"+d.Tag] = d.Digest
	}
	return func() (all []ocispec.Descriptor, err error) {
		err = l.view.read(func(x *index) {
			for _, e := range x.entries() {
				if drop[e.ref] != digest.Digest(e.digest) {
					all = append(all, e.descriptor())
				}
			}
		})
		return all, err
	}
}

// entries returns all entries, other tools' included. An entry that the journal has replaced is among them.
func (x *index) entries() []entry {
	all := slices.Clone(x.sorted)
	for _, entries := range x.journal {
		all = append(all, entries...)
	}
	for _, o := range x.others {
		all = append(all, o.entry)
	}
	return all
}

// needs finds out which blobs manifests need.
type needs struct {
	*layout
	read  map[digest.Digest]bool // manifests
	blobs map[digest.Digest]bool // with the manifests
}

// by adds what the manifests that a list names need.
func (n needs) by(ctx context.Context, list func() ([]ocispec.Descriptor, error)) error {
	todo, err := list()
	for len(todo) > 0 && err == nil {
		d := todo[0]
		todo = todo[1:]
		n.blobs[d.Digest] = true
		if n.read[d.Digest] {
			continue
		}
		var m links
		if m, err = n.links(ctx, d); err != nil {
			return fmt.Errorf("nothing was removed, because what stays needs blobs that are not known: %w", err)
		}
		n.read[d.Digest] = true
		todo = append(todo, m.Manifests...)
		for _, link := range m.all() {
			n.blobs[link.Digest] = true
		}
	}
	return err
}

func (l *layout) links(ctx context.Context, d ocispec.Descriptor) (m links, err error) {
	raw, err := l.readManifest(ctx, d)
	if err != nil {
		return m, err
	}
	return parseLinks(raw)
}

// sweepBlobs removes manifests with what they list, but for what is needed.
func (l *layout) sweepBlobs(ctx context.Context, manifests []digest.Digest, needed map[digest.Digest]bool) error {
	for _, manifest := range manifests {
		if err := cmp.Or(ctx.Err(), l.sweepManifest(ctx, manifest, needed)); err != nil {
			return err
		}
	}
	return cmp.Or(ctx.Err(), l.sync(l.path(blobsDir)))
}

// sweepManifest removes what a manifest lists, manifests in an index with what they list, and then itself. Of one
// that is gone, what it listed is gone; of a damaged one it is not known, and stays.
func (l *layout) sweepManifest(ctx context.Context, manifest digest.Digest, needed map[digest.Digest]bool) error {
	if needed[manifest] {
		return nil
	}
	d, err := l.lookupDigest(ctx, manifest)
	if errors.Is(err, registry.ErrNotFound) {
		return nil
	}
	var m links
	if err == nil {
		m, err = l.links(ctx, d)
	}
	if err != nil && !errors.Is(err, artifact.ErrCorrupt) {
		return err
	}
	for _, child := range m.Manifests {
		if err := l.sweepManifest(ctx, child.Digest, needed); err != nil { // no index lists itself: its digest depends on the list
			return err
		}
	}
	for _, link := range append(m.all(), ocispec.Descriptor{Digest: manifest}) {
		if needed[link.Digest] || link.Digest.Validate() != nil {
			continue
		}
		if err := os.Remove(l.blobPath(link.Digest)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}
