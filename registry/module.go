package registry

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/mod/module"

	"github.com/modferry/modferry/artifact"
	"github.com/modferry/modferry/artifact/sign"
)

// Module is a module version's manifest as found in a store: its digest agrees
// with its bytes and its identity with what was asked for.
type Module struct {
	*artifact.Manifest
	Repository string // below the store's namespace
	Descriptor ocispec.Descriptor
	Raw        []byte // the manifest
}

// Find looks for a module version, the full one first and then the mod-only one.
// It is ErrNotFound when there is neither.
func (s *Store) Find(ctx context.Context, m module.Version) (*Module, error) {
	found, err := s.FindKind(ctx, m, false)
	if !errors.Is(err, ErrNotFound) {
		return found, err
	}
	found, modErr := s.FindKind(ctx, m, true)
	if errors.Is(modErr, ErrNotFound) {
		if repo, tag, e := name(m, true); e == nil {
			return nil, fmt.Errorf("%w; nor is there %s", err, s.Reference(repo, tag))
		}
	}
	return found, modErr
}

// FindKind looks for the full or for the mod-only form of a module version, with one request. A manifest that is not
// what its tag says is artifact.ErrIdentity or artifact.ErrNotModule.
func (s *Store) FindKind(ctx context.Context, m module.Version, modOnly bool) (*Module, error) {
	repo, tag, err := name(m, modOnly)
	if err != nil {
		return nil, err
	}
	d, raw, err := s.Manifest(ctx, repo, tag)
	if err != nil {
		return nil, fmt.Errorf("%v: %w", m, err)
	}
	found, err := identify(raw, m, modOnly)
	if err != nil {
		return nil, fmt.Errorf("%v: %s: %w", m, s.Reference(repo, tag), err)
	}
	return &Module{Manifest: found, Repository: repo, Descriptor: d, Raw: raw}, nil
}

// name returns repository and tag of a module version.
func name(m module.Version, modOnly bool) (repo, tag string, err error) {
	if repo, err = artifact.Repository(m.Path); err != nil {
		return "", "", err
	}
	if modOnly {
		tag, err = artifact.ModTag(m.Version)
	} else {
		tag, err = artifact.Tag(m.Version)
	}
	return repo, tag, err
}

// identify parses a manifest and checks that it is what its place says: anyone
// who may push can put a signed manifest under another tag.
func identify(raw []byte, want module.Version, modOnly bool) (*artifact.Manifest, error) {
	m, err := artifact.ParseManifest(raw)
	if err != nil {
		return nil, err
	}
	if err := m.Identify(want); err != nil {
		return nil, err
	}
	if m.ModOnly() != modOnly {
		return nil, fmt.Errorf("%w: the tag is that of the other form, full or only go.mod", artifact.ErrIdentity)
	}
	return m, nil
}

// Verify has the signatures of a module version verified, with one request.
// Signatures that cannot be read do not matter as long as v accepts the others.
func (s *Store) Verify(ctx context.Context, m *Module, v sign.Verifier) ([]string, error) {
	keys, err := s.verifyManifest(ctx, m.Repository, sign.Subject{Module: m.Module, Digest: m.Descriptor.Digest}, v)
	if err != nil {
		return nil, fmt.Errorf("%v: %w", m.Module, err)
	}
	return keys, nil
}

// part is given a blob that a manifest lists. If it is not there the artifact is damaged, which must not look as if the
// module did not exist.
func part(rc io.ReadCloser, err error) (io.ReadCloser, error) {
	if errors.Is(err, ErrNotFound) {
		return nil, fmt.Errorf("%w: a blob is missing: %v", ErrCorrupt, err)
	}
	return rc, err
}

// Meta returns .info and go.mod and what else travels with them, from the
// manifest itself where it is inlined, else with one request.
func (s *Store) Meta(ctx context.Context, m *Module) (*artifact.Meta, error) {
	fail := func(err error) error {
		return fmt.Errorf("%v: %s: %w", m.Module, s.Reference(m.Repository, m.Descriptor.Digest.String()), err)
	}
	data, inline, err := m.InlineMeta()
	if err != nil {
		return nil, fail(err)
	}
	var layer io.Reader = bytes.NewReader(data)
	if !inline {
		rc, err := part(s.Backend.Blob(ctx, m.Repository, m.Manifest.Meta)) // ReadMeta checks it
		if err != nil {
			return nil, fmt.Errorf("%v: %w", m.Module, err)
		}
		defer rc.Close()
		layer = rc
	}
	meta, err := m.ReadMeta(layer)
	if err != nil {
		return nil, fail(err)
	}
	return meta, nil
}

// Zip streams the module's zip to dst, with one request. The layer is checked against its digest; the caller checks
// the zip itself, with m.CheckZipFile. After an error dst holds a useless part.
func (s *Store) Zip(ctx context.Context, m *Module, dst io.Writer) error {
	if m.ModOnly() {
		return fmt.Errorf("%v: %s has only go.mod, no zip: %w", m.Module, s.Reference(m.Repository, ""), ErrNotFound)
	}
	rc, err := part(s.Backend.Blob(ctx, m.Repository, *m.Manifest.Zip)) // ExtractZip checks it
	if err != nil {
		return fmt.Errorf("%v: %w", m.Module, err)
	}
	defer rc.Close()
	if err := m.ExtractZip(dst, rc); err != nil {
		return fmt.Errorf("%v: %s: %w", m.Module, s.Reference(m.Repository, m.Descriptor.Digest.String()), err)
	}
	return nil
}
