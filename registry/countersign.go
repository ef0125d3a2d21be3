package registry

import (
	"context"
	"fmt"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/mod/module"

	"github.com/modferry/modferry/artifact"
	"github.com/modferry/modferry/artifact/sign"
	"github.com/modferry/modferry/artifact/sumdb"
)

// A Countersigner adds a signer's signatures to what is in a store and signed by whom a verifier trusts, in the formats in
// which it is not there yet. It never signs what the verifier refuses. What there is in the formats already is left alone.
type Countersigner struct {
	Store    *Store
	Verifier sign.Verifier
	Signer   *sign.Signer
	DryRun   bool // nothing is written: what would be added counts as added
}

// Version signs a module version, which the caller has verified: that its manifest is signed is looked at once more, what
// is in it is not. It takes the requests of verifying, one or two more to look for the signature, and those of a push.
func (c *Countersigner) Version(ctx context.Context, m *Module) (added bool, err error) {
	if added, err = c.sign(ctx, m.Repository, m.Module, m.Descriptor); err != nil {
		return false, fmt.Errorf("%v: %w", m.Module, err)
	}
	return added, nil
}

// Evidence signs the checksum database evidence that is stored apart from a version. It is ErrNotFound if there is none.
func (c *Countersigner) Evidence(ctx context.Context, m *Module) (added bool, err error) {
	e, err := c.Store.companion(ctx, m.Repository, m.Module)
	if err != nil {
		return false, err
	}
	if added, err = c.sign(ctx, m.Repository, m.Module, e.descriptor); err != nil {
		return false, fmt.Errorf("%v: checksum database evidence: %w", m.Module, err)
	}
	return added, nil
}

// Revision signs what is recorded for the name of a branch, a tag or a commit. It is ErrNotFound if that is nothing.
func (c *Countersigner) Revision(ctx context.Context, path, name string) (added bool, err error) {
	want := artifact.Revision{Path: path, Name: name}
	repo, tag, err := revisionName(want)
	if err != nil {
		return false, err
	}
	r, d, err := c.Store.findRevision(ctx, repo, tag, want)
	if err == nil {
		added, err = c.sign(ctx, repo, r.Module(), d)
	}
	if err != nil {
		return false, fmt.Errorf("%s: recorded revision: %w", want.Query(), err)
	}
	return added, nil
}

// Snapshot signs the checksum database snapshot that has a tag, sumdb.LatestTag or sumdb.HeadTag. It is ErrNotFound if
// there is none.
func (c *Countersigner) Snapshot(ctx context.Context, log *sumdb.Log, tag string) (added bool, err error) {
	found, err := c.Store.FindSnapshot(ctx, log, tag)
	if err != nil {
		return false, err
	}
	if added, err = c.sign(ctx, log.Repository(), SnapshotSubject(log, "").Module, found.Descriptor); err != nil {
		return false, fmt.Errorf("checksum snapshot of %s: %w", log.Name(), err)
	}
	return added, nil
}

// Index sees that the signer's own index names the modules with those paths, and is signed in all formats. The indexes of
// others, who say what they have stored, are not signed.
func (c *Countersigner) Index(ctx context.Context, paths []string) (added bool, err error) {
	have, d, err := c.Store.ReadIndex(ctx, artifact.IndexTag(c.Signer.KeyID()), c.Signer.Verifier())
	switch {
	case unanswered(ctx, err):
		return false, err
	case err == nil && containsAll(have, paths):
		return c.complete(ctx, artifact.IndexRepository, indexSubject("").Module, d)
	case c.DryRun:
		return true, nil
	}
	return true, c.Store.PublishIndex(ctx, paths, c.Signer)
}

// sign signs a manifest that the verifier accepts.
func (c *Countersigner) sign(ctx context.Context, repo string, m module.Version, d ocispec.Descriptor) (added bool, err error) {
	if _, err := c.Store.VerifyManifest(ctx, repo, sign.Subject{Module: m, Digest: d.Digest}, c.Verifier); err != nil {
		return false, err
	}
	return c.complete(ctx, repo, m, d)
}

// complete adds the signatures that a manifest lacks.
func (c *Countersigner) complete(ctx context.Context, repo string, m module.Version, d ocispec.Descriptor) (added bool, err error) {
	l, err := c.Store.lacks(ctx, repo, m, d, c.Signer)
	if err != nil || l.none() || c.DryRun {
		return err == nil && !l.none(), err
	}
	return true, c.Store.sign(ctx, repo, d, l, c.Signer)
}
