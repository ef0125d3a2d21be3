package registry

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/mod/module"

	"github.com/modferry/modferry/artifact"
	"github.com/modferry/modferry/artifact/sign"
)

// Evidence returns the checksum database evidence of a module version, the record and the tiles by their entry name:
// from meta, which is m's, or else from the companion artifact, with two requests; v verifies that one's signatures.
// It is ErrNotFound when there is neither.
func (s *Store) Evidence(ctx context.Context, m *Module, meta *artifact.Meta, v sign.Verifier) (record []byte, tiles map[string][]byte, err error) {
	if meta.SumDB != nil {
		return meta.SumDB, meta.Tiles, nil
	}
	c, err := s.companion(ctx, m.Repository, m.Module)
	if err != nil {
		return nil, nil, err
	}
	if _, err := s.VerifyManifest(ctx, m.Repository, c.subject(), v); err != nil {
		return nil, nil, fmt.Errorf("%v: checksum database evidence: %w", m.Module, err)
	}
	return c.Record, c.Tiles, nil
}

// companion is evidence that is stored apart from its version.
type companion struct {
	*artifact.Evidence
	descriptor ocispec.Descriptor // of its manifest
}

func (c *companion) subject() sign.Subject {
	return sign.Subject{Module: c.Module, Digest: c.descriptor.Digest}
}

// companion finds the companion of a version, with one request.
func (s *Store) companion(ctx context.Context, repo string, m module.Version) (*companion, error) {
	tag, err := artifact.EvidenceTag(m.Version)
	if err != nil {
		return nil, fmt.Errorf("%v: %w: no tag can name its checksum database evidence: %w", m, ErrNotFound, err)
	}
	d, raw, err := s.Manifest(ctx, repo, tag)
	if err != nil {
		return nil, fmt.Errorf("%v: checksum database evidence: %w", m, err)
	}
	e, err := artifact.ParseEvidence(raw)
	if err == nil {
		err = artifact.Identify(e.Module, m)
	}
	if err != nil {
		return nil, fmt.Errorf("%v: checksum database evidence %s: %w", m, s.Reference(repo, tag), err)
	}
	return &companion{Evidence: e, descriptor: d}, nil
}

// PublishEvidence stores evidence for a version that was stored without it, as its companion artifact: blobs,
// manifest by digest, signature (nil signer = none), tag. A companion with the same record that is there already is
// only signed, unless it has our signature. One with another record or tile is ErrConflict.
func (s *Store) PublishEvidence(ctx context.Context, e artifact.Evidence, signer *sign.Signer) error {
	if err := s.publishEvidence(ctx, e, signer); err != nil {
		return fmt.Errorf("publishing the checksum database evidence of %v: %w", e.Module, err)
	}
	return nil
}

func (s *Store) publishEvidence(ctx context.Context, e artifact.Evidence, signer *sign.Signer) error {
	repo, err := artifact.Repository(e.Module.Path)
	if err != nil {
		return err
	}
	tag, err := artifact.EvidenceTag(e.Module.Version)
	if err != nil {
		return err
	}
	c, err := s.companion(ctx, repo, e.Module)
	switch {
	case err == nil:
		return s.confirmEvidence(ctx, repo, c, e, signer)
	case !IsAbsent(err):
		return err
	}
	image, err := artifact.BuildEvidence(e)
	if err != nil {
		return err
	}
	if err := s.pushSigned(ctx, repo, e.Module, image, signing{signer: signer}); err != nil {
		return err
	}
	// What the record is, the log says, to everyone alike.
	err = s.CreateTag(ctx, repo, image.Descriptor, image.Raw, tag, true)
	if !errors.Is(err, ErrTagExists) && !errors.Is(err, ErrPolicy) {
		return err
	}
	// Someone else was faster; ErrPolicy is an immutable tag.
	if c, e2 := s.companion(ctx, repo, e.Module); e2 == nil {
		return s.confirmEvidence(ctx, repo, c, e, signer)
	}
	return err
}

// confirmEvidence signs a companion that is there, if it says what e says.
func (s *Store) confirmEvidence(ctx context.Context, repo string, have *companion, e artifact.Evidence, signer *sign.Signer) error {
	if !sameEvidence(have.Record, have.Tiles, e.Record, e.Tiles) {
		return fmt.Errorf("%w: %s has another record or tile; nothing was overwritten: find out which one is right",
			ErrConflict, s.Reference(repo, have.descriptor.Digest.String()))
	}
	return s.ensureSigned(ctx, repo, have.Module, have.descriptor, signing{signer: signer})
}

// sameEvidence reports whether two records and their tiles do not contradict each
// other. One of them may have been made before the tile was complete: a tile that only
// the other one has proves itself, against the snapshot, before anybody relies on it.
func sameEvidence(record []byte, tiles map[string][]byte, other []byte, others map[string][]byte) bool {
	for name, tile := range tiles {
		if o, ok := others[name]; ok && !bytes.Equal(o, tile) {
			return false
		}
	}
	return bytes.Equal(record, other)
}
