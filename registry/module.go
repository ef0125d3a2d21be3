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
		return nil, s.neither(m, err)
	}
	return found, modErr
}

// FindGoMod is [Store.Find] for who needs no more than .info and go.mod, which both forms have: that there is no full one
// where it finds the mod-only one is what the store says, unconfirmed. See [FirstReader].
func (s *Store) FindGoMod(ctx context.Context, m module.Version) (*Module, error) {
	b, ok := s.Backend.(FirstReader)
	repo, full, err := name(m, false)
	_, modOnly, modErr := name(m, true)
	if !ok || err != nil || modErr != nil {
		return s.Find(ctx, m)
	}
	tag, d, raw, err := b.FirstManifest(ctx, repo, full, modOnly)
	found, err := s.found(m, tag == modOnly, repo, tag, d, raw, err)
	if errors.Is(err, ErrNotFound) {
		return nil, s.neither(m, err)
	}
	return found, err
}

// neither says that there is no mod-only form of m either. err is that there is no full one.
func (s *Store) neither(m module.Version, err error) error {
	if repo, tag, e := name(m, true); e == nil {
		err = fmt.Errorf("%w; nor is there %s", err, s.Reference(repo, tag))
	}
	return err
}

// FindKind looks for the full or for the mod-only form of a module version, with one request. A manifest that is not
// what its tag says is artifact.ErrIdentity or artifact.ErrNotModule.
func (s *Store) FindKind(ctx context.Context, m module.Version, modOnly bool) (*Module, error) {
	repo, tag, err := name(m, modOnly)
	if err != nil {
		return nil, err
	}
	d, raw, err := s.Manifest(ctx, repo, tag)
	return s.found(m, modOnly, repo, tag, d, raw, err)
}

// found returns the module version whose manifest, or err, came for a tag.
func (s *Store) found(m module.Version, modOnly bool, repo, tag string, d ocispec.Descriptor, raw []byte, err error) (*Module, error) {
	if err != nil {
		return nil, fmt.Errorf("%v: %w", m, err)
	}
	manifest, err := identify(raw, m, modOnly)
	if err != nil {
		return nil, fmt.Errorf("%v: %s: %w", m, s.Reference(repo, tag), err)
	}
	return &Module{Manifest: manifest, Repository: repo, Descriptor: d, Raw: raw}, nil
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
	keys, err := s.VerifyManifest(ctx, m.Repository, sign.Subject{Module: m.Module, Digest: m.Descriptor.Digest}, v)
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

// blobs returns what a version's manifest lists: config, meta layer and, of a full version, the zip layer.
func (m *Module) blobs() []ocispec.Descriptor {
	list := []ocispec.Descriptor{m.Config, m.Manifest.Meta}
	if m.Manifest.Zip != nil {
		list = append(list, *m.Manifest.Zip)
	}
	return list
}

// Damaged returns the blobs of a version that are missing or are not what its manifest says: those that are found by
// reading all of them, or without read as far as the store tells without their transfer (see [Reader.CheckBlob]). It
// takes a request for each.
func (s *Store) Damaged(ctx context.Context, m *Module, read bool) (damaged []ocispec.Descriptor, err error) {
	check := s.CheckBlob
	if read {
		check = s.readThrough
	}
	for _, d := range m.blobs() {
		err := check(ctx, m.Repository, d)
		switch {
		case errors.Is(err, ErrNotFound), errors.Is(err, ErrCorrupt):
			damaged = append(damaged, d)
		case err != nil:
			return nil, fmt.Errorf("%v: %w", m.Module, err)
		}
	}
	return damaged, nil
}

// CheckConfigAndMeta reads the blobs that nothing else here reads while the manifest carries the meta layer itself:
// image tools and scanners do.
func (s *Store) CheckConfigAndMeta(ctx context.Context, m *Module) error {
	for _, d := range m.blobs()[:2] {
		if err := s.readThrough(ctx, m.Repository, d); err != nil {
			return damage(m, err)
		}
	}
	return nil
}

// readThrough reads a blob that a manifest lists to its end, to see whether it is what its digest says.
func (s *Store) readThrough(ctx context.Context, repo string, d ocispec.Descriptor) error {
	rc, err := part(s.Blob(ctx, repo, d))
	if err != nil {
		return err
	}
	defer rc.Close()
	_, err = io.Copy(io.Discard, rc)
	return err
}

// damage is what is wrong with a blob of a version, and what mends it.
func damage(m *Module, err error) error {
	if errors.Is(err, ErrCorrupt) {
		return fmt.Errorf("%v: %w; \"modferry verify --repair %[1]v\" on the connected side puts back what is missing or changed", m.Module, err)
	}
	return fmt.Errorf("%v: %w", m.Module, err)
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
			return nil, damage(m, err)
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

// ZipLayer opens the layer with the module's zip, with one request. It is not verified.
func (s *Store) ZipLayer(ctx context.Context, m *Module) (io.ReadCloser, error) {
	if m.ModOnly() {
		return nil, fmt.Errorf("%v: %s has only go.mod, no zip: %w", m.Module, s.Reference(m.Repository, ""), ErrNotFound)
	}
	rc, err := part(s.Backend.Blob(ctx, m.Repository, *m.Manifest.Zip))
	if err != nil {
		return nil, damage(m, err)
	}
	return rc, nil
}

// Zip streams the module's zip to dst, with one request. The layer is checked against its digest; the caller checks
// the zip itself, with m.CheckZipFile. After an error dst holds a useless part.
func (s *Store) Zip(ctx context.Context, m *Module, dst io.Writer) error {
	rc, err := s.ZipLayer(ctx, m) // ExtractZip checks it
	if err != nil {
		return err
	}
	defer rc.Close()
	if err := m.ExtractZip(dst, rc); err != nil {
		return damage(m, fmt.Errorf("%s: %w", s.Reference(m.Repository, m.Descriptor.Digest.String()), err))
	}
	return nil
}
