package registry

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"golang.org/x/mod/semver"

	"github.com/modferry/modferry/artifact"
	"github.com/modferry/modferry/artifact/sign"
	"github.com/modferry/modferry/artifact/sumdb"
)

// An Import is what another store has under a tag, beside module versions: those are for [Store.Publish]. Whether it may
// be trusted, the caller has found out.
type Import struct {
	Repository, Tag string
	Image           *artifact.Image  // the manifest as it is there, and where to read its blobs
	Signatures      []sign.Signature // that were made there; they are added to those that are here
	DryRun          bool             // nothing is to be written: the outcome is what it would be
}

func (x *Import) fail(s *Store, err error) error {
	if err != nil {
		err = fmt.Errorf("copying to %s: %w", s.Reference(x.Repository, x.Tag), err)
	}
	return err
}

// ImportEvidence stores checksum database evidence, as [Store.PublishEvidence] does.
func (s *Store) ImportEvidence(ctx context.Context, x Import) (Outcome, error) {
	e, err := artifact.ParseEvidence(x.Image.Raw)
	if err != nil {
		return 0, x.fail(s, err)
	}
	return s.importTag(ctx, x, func(raw []byte) (replace bool, err error) {
		have, err := artifact.ParseEvidence(raw)
		if err == nil && sameEvidence(have.Record, have.Tiles, e.Record, e.Tiles) {
			return false, nil
		}
		return false, fmt.Errorf("%w: it has another record or tile; nothing was overwritten: find out which one is right", ErrConflict)
	})
}

// ImportRevision stores a recorded revision. Where the name is recorded already it moves on to a newer version, and
// never back to an older one: media arrive in any order.
func (s *Store) ImportRevision(ctx context.Context, x Import) (Outcome, error) {
	r, err := artifact.ParseRevision(x.Image.Raw)
	if err != nil {
		return 0, x.fail(s, err)
	}
	return s.importTag(ctx, x, func(raw []byte) (replace bool, err error) {
		have, err := artifact.ParseRevision(raw)
		return err != nil || have.Query() != r.Query() || semver.Compare(have.Version, r.Version) < 0, nil
	})
}

// importTag stores what is not here: blobs, manifest by digest, signatures, tag. Of what is here, older tells whether x is
// to replace it; if it is the same, it gets the signatures that it lacks.
func (s *Store) importTag(ctx context.Context, x Import, older func(raw []byte) (bool, error)) (Outcome, error) {
	found, outcome, err := s.imported(ctx, x, older)
	if found == current || err != nil || x.DryRun {
		return outcome, x.fail(s, err)
	}
	if err := s.pushImage(ctx, x.Repository, x.Image, ""); err != nil {
		return 0, x.fail(s, err)
	}
	if _, err := s.addSignatures(ctx, x.Repository, x.Image.Descriptor, x.Signatures, false); err != nil {
		return 0, x.fail(s, err)
	}
	if found == outdated {
		err = s.PushManifest(ctx, x.Repository, x.Image.Descriptor, x.Image.Raw, x.Tag)
	} else {
		err = s.CreateTag(ctx, x.Repository, x.Image.Descriptor, x.Image.Raw, x.Tag, false)
	}
	if errors.Is(err, ErrTagExists) || errors.Is(err, ErrPolicy) { // someone was faster, or the tag is immutable
		now, outcome, e := s.imported(ctx, x, older)
		if e == nil && now == current {
			return outcome, nil
		}
	}
	return Published, x.fail(s, err)
}

// A presence is how far a store has what is to be imported.
type presence int

const (
	missing  presence = iota
	outdated          // something older has the tag
	current           // nothing is left to do
)

// imported finds out what is here, and sees that it has all signatures if it is the same.
func (s *Store) imported(ctx context.Context, x Import, older func(raw []byte) (bool, error)) (presence, Outcome, error) {
	d, raw, err := s.Manifest(ctx, x.Repository, x.Tag)
	switch {
	case IsAbsent(err):
		return missing, Published, nil
	case err != nil:
		return current, 0, err
	case d.Digest != x.Image.Descriptor.Digest:
		replace, err := older(raw)
		if replace {
			return outdated, Published, err
		}
		return current, Exists, err
	}
	outcome, err := s.importSignatures(ctx, x)
	return current, outcome, err
}

// importSignatures adds the signatures that a manifest lacks that is here.
func (s *Store) importSignatures(ctx context.Context, x Import) (Outcome, error) {
	added, err := s.addSignatures(ctx, x.Repository, x.Image.Descriptor, x.Signatures, x.DryRun)
	if added {
		return SignatureAdded, err
	}
	return Exists, err
}

// ImportSnapshot stores a snapshot under the tag of its head and, if that is x.Tag, as the latest one, unless that were
// a step back. As in [Store.PublishSnapshot], blobs of have need not be stored. That the log of the latest snapshot here
// goes on in the new one, the caller has found out.
func (s *Store) ImportSnapshot(ctx context.Context, x Import, log *sumdb.Log, have *sumdb.Manifest) (Outcome, error) {
	m, err := sumdb.ParseManifest(x.Image.Raw)
	if err != nil {
		return 0, x.fail(s, err)
	}
	now, err := s.FindSnapshot(ctx, log, x.Tag)
	switch {
	case unanswered(ctx, err):
		return 0, x.fail(s, err)
	case err == nil && now.Descriptor.Digest == x.Image.Descriptor.Digest:
		outcome, err := s.importSignatures(ctx, x)
		return outcome, x.fail(s, err)
	case err == nil && now.Tree == m.Tree:
		return Exists, nil // as somebody else captured it
	case err == nil && now.Tree.N == m.Tree.N:
		old, new := sumdb.Head{Tree: now.Tree}, sumdb.Head{Tree: m.Tree}
		return 0, x.fail(s, &sumdb.HistoryError{Log: log.Name(), Old: old, New: new, Err: sumdb.ErrForked})
	case x.DryRun:
		return Published, nil
	}
	err = s.publishHead(ctx, x.Image, log, m.Tree.N, have, signing{made: x.Signatures})
	if err == nil && x.Tag == sumdb.LatestTag {
		err = s.moveLatest(ctx, x.Image, log, m)
	}
	return Published, x.fail(s, err)
}

// ImportIndex stores the index of another signer, which names paths. Nobody here can sign one with the names of both,
// so it replaces only one that names no module besides; else it gets a tag of its own, for [Store.Index] reads all of
// them. Indexes that v does not accept are of no use and count for nothing.
func (s *Store) ImportIndex(ctx context.Context, x Import, v sign.Verifier, paths []string) (Outcome, error) {
	tag, named, err := s.indexTag(ctx, x, v, paths)
	if err != nil {
		return 0, x.fail(s, err)
	}
	if tag == artifact.IndexTag("") && !named && !x.DryRun { // that of nobody, which anybody can merge
		return Published, x.fail(s, s.PublishIndex(ctx, paths, nil))
	}
	x.Tag = tag
	return s.importTag(ctx, x, func([]byte) (older bool, err error) { return !named, nil })
}

// indexTag returns the tag for an index that names paths, and whether those of its signer name them all already.
func (s *Store) indexTag(ctx context.Context, x Import, v sign.Verifier, paths []string) (tag string, named bool, err error) {
	own := artifact.OwnIndexTag(x.Tag)
	all := make(map[string]bool)
	taken := false
	for there, err := range s.Tags(ctx, x.Repository) {
		if IsAbsent(err) {
			break
		}
		if err != nil {
			return "", false, err
		}
		if artifact.OwnIndexTag(there) != own {
			continue
		}
		list, _, err := s.ReadIndex(ctx, there, v)
		if unanswered(ctx, err) {
			return "", false, err
		}
		for _, path := range list {
			all[path] = true
		}
		taken = taken || there == own
		if containsAll(paths, list) && (tag == "" || there == own) {
			tag = there
		}
	}
	named = containsAll(slices.Sorted(maps.Keys(all)), paths)
	switch {
	case !taken, named, own == artifact.IndexTag(""):
		tag = own
	case tag == "":
		tag = own + "-" + x.Image.Descriptor.Digest.Encoded()[:8]
	}
	return tag, named, nil
}
