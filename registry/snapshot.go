package registry

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/mod/module"

	"github.com/modferry/modferry/artifact"
	"github.com/modferry/modferry/artifact/sign"
	"github.com/modferry/modferry/artifact/sumdb"
)

// Snapshot is the manifest of a checksum database snapshot as found in a store:
// its digest agrees with its bytes, and it says that it is of the log asked for.
// Its content is for sumdb.Read to check, given Raw and [Store.SnapshotBlob].
type Snapshot struct {
	*sumdb.Manifest
	Descriptor ocispec.Descriptor
	Raw        []byte // the manifest
}

// Snapshot finds the newest snapshot of a log and has its signatures verified, with
// two requests. It is ErrNotFound when there is none.
func (s *Store) Snapshot(ctx context.Context, log *sumdb.Log, v sign.Verifier) (*Snapshot, error) {
	found, err := s.FindSnapshot(ctx, log, sumdb.LatestTag)
	if err != nil {
		return nil, err
	}
	if err := s.VerifySnapshot(ctx, log, found, v); err != nil {
		return nil, err
	}
	return found, nil
}

// FindSnapshot finds the snapshot of a log under a tag, sumdb.LatestTag or
// sumdb.HeadTag, with one request. Errors are those of [Store.Manifest] and of
// sumdb.ParseManifest, and artifact.ErrIdentity for a snapshot of another log or size.
func (s *Store) FindSnapshot(ctx context.Context, log *sumdb.Log, tag string) (*Snapshot, error) {
	repo := log.Repository()
	d, raw, err := s.Manifest(ctx, repo, tag)
	if err != nil {
		return nil, fmt.Errorf("checksum snapshot of %s: %w", log.Name(), err)
	}
	m, err := sumdb.ParseManifest(raw)
	if err == nil {
		err = checkSnapshot(m, log, tag)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", s.Reference(repo, tag), err)
	}
	return &Snapshot{Manifest: m, Descriptor: d, Raw: raw}, nil
}

// checkSnapshot checks that a snapshot is what its place says.
func checkSnapshot(m *sumdb.Manifest, log *sumdb.Log, tag string) error {
	if m.Log != log.Name() {
		return fmt.Errorf("checksum snapshot is of %s, not of %s: %w", m.Log, log.Name(), artifact.ErrIdentity)
	}
	if n, ok := sumdb.ParseHeadTag(tag); ok && n != m.Tree.N {
		return fmt.Errorf("checksum snapshot of %d records is tagged as one of %d: %w", m.Tree.N, n, artifact.ErrIdentity)
	}
	return nil
}

// VerifySnapshot has the signatures of a snapshot's manifest verified, with one request.
func (s *Store) VerifySnapshot(ctx context.Context, log *sumdb.Log, found *Snapshot, v sign.Verifier) error {
	_, err := s.VerifyManifest(ctx, log.Repository(), SnapshotSubject(log, found.Descriptor.Digest), v)
	if err != nil {
		return fmt.Errorf("checksum snapshot of %s: %w", log.Name(), err)
	}
	return nil
}

// SnapshotSubject is what a signature on a snapshot is about. No module has such a path.
func SnapshotSubject(log *sumdb.Log, d digest.Digest) sign.Subject {
	return sign.Subject{Module: module.Version{Path: log.Repository()}, Digest: d}
}

// SnapshotBlob reads a blob of a snapshot, whose size sumdb.Read has limited. One that is missing is ErrCorrupt.
func (s *Store) SnapshotBlob(ctx context.Context, log *sumdb.Log, d ocispec.Descriptor) ([]byte, error) {
	return s.readPart(ctx, log.Repository(), d)
}

// Heads returns the sizes of a log at which the store has a snapshot, ascending.
// It is ErrNotFound when there never was one.
func (s *Store) Heads(ctx context.Context, log *sumdb.Log) ([]int64, error) {
	var heads []int64
	for tag, err := range s.Tags(ctx, log.Repository()) {
		if err != nil {
			return nil, fmt.Errorf("listing the checksum snapshots of %s: %w", log.Name(), err)
		}
		if n, ok := sumdb.ParseHeadTag(tag); ok {
			heads = append(heads, n)
		}
	}
	slices.Sort(heads)
	return heads, nil
}

// PublishSnapshot stores a snapshot: its blobs but for those of have, which the store has (nil = none), the manifest
// by digest, signer's signature (nil = do not sign), the tag of its head, and the tag latest last. The tag of a head
// is never moved; latest is, unless it points to a snapshot of more records, which another mirror put there
// meanwhile.
//
// A snapshot that is there already is signed, if it has no signature of ours, and tagged.
func (s *Store) PublishSnapshot(ctx context.Context, img *artifact.Image, log *sumdb.Log, have *sumdb.Manifest, signer *sign.Signer) error {
	m, err := sumdb.ParseManifest(img.Raw)
	if err == nil {
		if err = s.publishHead(ctx, img, log, m.Tree.N, have, signing{signer: signer}); err == nil {
			err = s.moveLatest(ctx, img, log, m)
		}
	}
	if err != nil {
		return fmt.Errorf("publishing the checksum snapshot of %s: %w", log.Name(), err)
	}
	return nil
}

// publishHead stores the snapshot of a head of n records, under the tag of that head.
func (s *Store) publishHead(ctx context.Context, img *artifact.Image, log *sumdb.Log, n int64, have *sumdb.Manifest, by signing) error {
	repo, tag, d := log.Repository(), sumdb.HeadTag(n), img.Descriptor
	tagged, _, err := s.Manifest(ctx, repo, tag)
	if err != nil && !IsAbsent(err) && !errors.Is(err, ErrPolicy) { // which holds back what was not scanned yet
		return err
	}
	if tagged.Digest != d.Digest {
		missing := *img
		missing.Blobs = slices.DeleteFunc(slices.Clone(img.Blobs), func(b artifact.Blob) bool {
			return have != nil && slices.ContainsFunc(have.Layers, func(d ocispec.Descriptor) bool { return d.Digest == b.Descriptor.Digest })
		})
		if err := s.pushImage(ctx, repo, &missing, ""); err != nil {
			return err
		}
	}
	if signErr := s.ensureSigned(ctx, repo, SnapshotSubject(log, "").Module, d, by); signErr != nil {
		return signErr
	}
	if !IsAbsent(err) {
		return nil
	}
	err = s.CreateTag(ctx, repo, d, img.Raw, tag, false)
	if errors.Is(err, ErrTagExists) || errors.Is(err, ErrPolicy) {
		return nil // another mirror was faster
	}
	return err
}

// moveLatest points the tag latest to the snapshot m, unless that were a step back.
// Only a head that the log signed counts as newer.
func (s *Store) moveLatest(ctx context.Context, img *artifact.Image, log *sumdb.Log, m *sumdb.Manifest) error {
	now, err := s.FindSnapshot(ctx, log, sumdb.LatestTag)
	switch {
	case unanswered(ctx, err):
		return err
	case err == nil && now.Descriptor.Digest == img.Descriptor.Digest:
		return nil
	case err == nil && now.Tree.N > m.Tree.N:
		if _, err := now.Head(log); err == nil {
			return nil
		}
	}
	return s.PushManifest(ctx, log.Repository(), img.Descriptor, img.Raw, sumdb.LatestTag)
}
