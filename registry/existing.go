package registry

import (
	"context"
	"errors"
	"fmt"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/modferry/modferry/artifact"
)

// Existing is Publish for a version that is there; it is ErrNotFound otherwise.
func (s *Store) Existing(ctx context.Context, a *artifact.Artifact, o PublishOptions) (Outcome, error) {
	repo, tag, err := name(a.Manifest.Module, a.Manifest.ModOnly())
	if err != nil {
		return 0, err
	}
	p := publisher{Store: s, PublishOptions: o, a: a, repo: repo, tag: tag}
	outcome, err := p.existing(ctx)
	if IsAbsent(err) {
		return 0, fmt.Errorf("%w: %w", ErrNotFound, err)
	}
	return outcome, err
}

// existing deals with a version whose tag is there; it is ErrNotFound otherwise.
func (p *publisher) existing(ctx context.Context) (Outcome, error) {
	d, raw, err := p.Manifest(ctx, p.repo, p.tag)
	if wantsSignature(err) && (p.Signer != nil || p.OtherSignatures != nil) && !p.DryRun {
		return p.signUnread(ctx)
	}
	if err != nil {
		return 0, err
	}
	if err := p.readBack(ctx, p.repo, p.tag); err != nil {
		return 0, err
	}
	return p.compare(ctx, d, raw)
}

// wantsSignature reports whether err is that of a policy by which nobody may read what is not signed.
func wantsSignature(err error) bool {
	var answer *Error
	return errors.As(err, &answer) && answer.Unsigned
}

// signUnread signs a version that may not be read as it has no signature: what it would be if we had made it. If it is
// that, it can be read then.
func (p *publisher) signUnread(ctx context.Context) (Outcome, error) {
	older, err := p.a.WithoutLicenses()
	if err != nil {
		return 0, err
	}
	var d ocispec.Descriptor
	var raw []byte
	for _, ours := range []*artifact.Artifact{p.a, older} {
		if err := p.ensureSigned(ctx, p.repo, ours.Manifest.Module, ours.Descriptor, p.signing()); err != nil {
			return 0, err
		}
		if d, raw, err = p.Manifest(ctx, p.repo, p.tag); !wantsSignature(err) || older == p.a {
			break
		}
	}
	switch {
	case wantsSignature(err):
		return 0, fmt.Errorf("what is there is not what would be published now, and cannot be compared before it is signed: "+
			"lift the policy of the project that wants signatures until this has been run again: %w", err)
	case err != nil:
		return 0, err
	}
	outcome, err := p.compare(ctx, d, raw)
	if outcome == Exists {
		outcome = SignatureAdded
	}
	return outcome, err
}

// compare deals with the version that is there.
func (p *publisher) compare(ctx context.Context, d ocispec.Descriptor, raw []byte) (Outcome, error) {
	want := p.a.Manifest
	have, err := identify(raw, want.Module, want.ModOnly())
	if err != nil {
		return 0, p.conflict(nil, err.Error())
	}
	if !want.SameModule(have) {
		return 0, p.conflict(have, "")
	}
	outcome := Exists
	if p.OtherSignatures != nil && d.Digest == p.a.Descriptor.Digest {
		added, err := p.addSignatures(ctx, p.repo, d, p.OtherSignatures, p.DryRun)
		if err != nil {
			return 0, err
		}
		if added {
			outcome = SignatureAdded
		}
	}
	if p.Signer == nil {
		return outcome, nil
	}
	return p.countersign(ctx, &Module{Manifest: have, Repository: p.repo, Descriptor: d, Raw: raw})
}

// countersign adds our signature to a version that is there, unless it has it.
func (p *publisher) countersign(ctx context.Context, m *Module) (Outcome, error) {
	l, err := p.lacks(ctx, p.repo, m.Module, m.Descriptor, p.Signer)
	switch {
	case err != nil:
		return 0, err
	case l.none():
		return Exists, nil
	}
	if m.Descriptor.Digest != p.a.Descriptor.Digest {
		// So far the two have the same annotations. We vouch for what they are about.
		if err := p.compareContent(ctx, m); err != nil {
			return 0, err
		}
	}
	if p.DryRun {
		return SignatureAdded, nil
	}
	if err := p.sign(ctx, p.repo, m.Descriptor, l, p.Signer); err != nil {
		return 0, err
	}
	return SignatureAdded, nil
}

// compareContent checks that a manifest other than ours is what we would have made of our go.mod and zip, to the last
// annotation, with what may differ: in .info, where the same commit was fetched from; and there may be checksum
// database evidence or none, but no other.
func (p *publisher) compareContent(ctx context.Context, m *Module) error {
	have, err := p.Meta(ctx, m)
	if err != nil {
		return err
	}
	want, err := p.ourMeta()
	if err != nil {
		return err
	}
	differs := artifact.InfoDifference(have.Info, want.Info)
	switch {
	case differs != "":
		return p.conflict(m.Manifest, fmt.Sprintf("the sums are equal, but in .info the %s is not, so it was not signed", differs))
	case have.SumDB != nil && want.SumDB != nil && !sameEvidence(have.SumDB, have.Tiles, want.SumDB, want.Tiles):
		return p.conflict(m.Manifest, "the sums are equal, but the checksum database record or tile is not, so it was not signed")
	case !m.ModOnly() && m.Manifest.Zip.Digest != p.a.Manifest.Zip.Digest:
		// The time in .info being the same, so is the layer of the same zip: it is never compressed.
		return p.conflict(m.Manifest, "the sums are said to be equal, but the zip layer is not, so it was not signed")
	}
	older, err := p.a.WithoutLicenses()
	if err != nil {
		return err
	}
	for _, ours := range []*artifact.Artifact{p.a, older} {
		same, err := ours.With(have.Info, have.SumDB, have.Tiles)
		if err != nil {
			return err
		}
		if same.Descriptor.Digest == m.Descriptor.Digest {
			return nil
		}
	}
	return p.conflict(m.Manifest, "the sums are equal, but the manifest, the image config or a file beside them is not what modferry makes of this module, so it was not signed")
}

func (p *publisher) ourMeta() (*artifact.Meta, error) {
	for _, b := range p.a.Blobs {
		if b.Descriptor.Digest == p.a.Manifest.Meta.Digest {
			rc, err := b.Open()
			if err != nil {
				return nil, err
			}
			defer rc.Close()
			return p.a.Manifest.ReadMeta(rc)
		}
	}
	return nil, fmt.Errorf("%w: the artifact lacks its meta layer", ErrCorrupt)
}

func (p *publisher) conflict(have *artifact.Manifest, reason string) error {
	want := p.a.Manifest
	e := &ConflictError{
		Module:     want.Module,
		Reference:  p.Reference(p.repo, p.tag),
		WantSum:    want.Sum,
		WantModSum: want.GoModSum,
		Reason:     reason,
	}
	if have != nil {
		e.HaveSum, e.HaveModSum = have.Sum, have.GoModSum
	}
	return e
}
