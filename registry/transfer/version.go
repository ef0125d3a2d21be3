package transfer

import (
	"context"
	"errors"
	"fmt"
	"io"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/modferry/modferry/artifact"
	"github.com/modferry/modferry/artifact/sign"
	"github.com/modferry/modferry/registry"
	"github.com/modferry/modferry/registry/verify"
)

// version copies a module version, full or mod-only.
func (x *copying) version(ctx context.Context) (registry.Outcome, error) {
	d, raw, err := x.manifest(ctx)
	if err != nil {
		return 0, err
	}
	m, err := artifact.ParseManifest(raw)
	if err != nil {
		return 0, fmt.Errorf("%s: %w", x.Copier.Source.Reference(x.Repository, x.Tag), err)
	}
	tag, err := m.Tag()
	if err := x.isAt(m.Module, tag, err); err != nil {
		return 0, err
	}
	listed := []ocispec.Descriptor{m.Config, m.Meta}
	if m.Zip != nil {
		listed = append(listed, *m.Zip)
	}
	image := x.imageOf(ctx, d, raw, listed)
	mod := &registry.Module{Manifest: m, Repository: x.Repository, Descriptor: image.Descriptor, Raw: raw}
	subject := sign.Subject{Module: m.Module, Digest: d.Digest}
	a := &artifact.Artifact{Image: image, Manifest: m}
	o := registry.PublishOptions{DryRun: x.DryRun}
	verifier := &remembering{Verifier: x.Checker.Verifier}
	o.OtherSignatures, _ = x.signed(ctx, subject, verifier) // what is there already needs no others
	outcome, err := x.to.Existing(ctx, a, o)
	if !errors.Is(err, registry.ErrNotFound) {
		return outcome, err
	}
	if err := x.check(ctx, mod, verifier); err != nil {
		return 0, err
	}
	if o.OtherSignatures == nil { // they have come meanwhile
		if o.OtherSignatures, err = x.signed(ctx, subject, verifier); err != nil {
			return 0, err
		}
	}
	o.Absent = true
	return x.to.Publish(ctx, a, o)
}

// remembering is a verifier for one manifest, which it accepts once.
type remembering struct {
	sign.Verifier
	accepted sign.Subject
	keys     []string
}

// Verify asks the verifier again as long as it does not accept the subject.
func (r *remembering) Verify(ctx context.Context, s sign.Subject, sigs []sign.Signature) (keys []string, err error) {
	if s.Digest != "" && s == r.accepted {
		return r.keys, nil
	}
	if keys, err = r.Verifier.Verify(ctx, s, sigs); err == nil {
		r.accepted, r.keys = s, keys
	}
	return keys, err
}

// check verifies a version at the source.
func (x *copying) check(ctx context.Context, mod *registry.Module, v sign.Verifier) error {
	c := x.Checker
	read := x.Local || !x.DryRun
	c.Verifier = v
	c.Thorough = read
	c.Snapshot = x.confirming
	found, err := c.Check(ctx, x.from, mod, verify.Known{})
	later := x.Ahead && errors.Is(err, verify.ErrUnrecorded) && (found.Logged == verify.Newer || found.Logged == verify.NoSnapshot)
	if err != nil && !later {
		return err
	}
	if mod.ModOnly() || !read {
		return nil
	}
	return x.checkZip(ctx, mod)
}

// checkZip verifies the zip of a version in its layer, which is kept.
func (x *copying) checkZip(ctx context.Context, mod *registry.Module) error {
	var layer io.ReadCloser
	err := verify.Repeat(ctx, func() (err error) {
		layer, err = x.from.ZipLayer(ctx, mod)
		return err
	})
	if err != nil {
		return err
	}
	defer layer.Close()
	scratch, err := x.scratch.take(x.TempDir)
	if err != nil {
		return err
	}
	defer x.scratch.give(scratch)
	if err := mod.CheckZipLayer(layer.(content), scratch); err != nil {
		return fmt.Errorf("%v: %w", mod.Module, err)
	}
	return nil
}

// evidence copies checksum database evidence that is stored apart from its version, which is at the source or at the
// destination.
func (x *copying) evidence(ctx context.Context) (registry.Outcome, error) {
	d, raw, err := x.manifest(ctx)
	if err != nil {
		return 0, err
	}
	e, err := artifact.ParseEvidence(raw)
	if err != nil {
		return 0, fmt.Errorf("%s: %w", x.Copier.Source.Reference(x.Repository, x.Tag), err)
	}
	tag, err := artifact.EvidenceTag(e.Module.Version)
	if err := x.isAt(e.Module, tag, err); err != nil {
		return 0, err
	}
	sigs, err := x.signed(ctx, sign.Subject{Module: e.Module, Digest: d.Digest}, x.Checker.Verifier)
	if err != nil {
		return 0, fmt.Errorf("%v: checksum database evidence: %w", e.Module, err)
	}
	mod, err := x.from.Find(ctx, e.Module)
	if registry.IsAbsent(err) {
		mod, err = x.to.Find(ctx, e.Module)
	}
	if err != nil && !(registry.IsAbsent(err) && x.Ahead) {
		return 0, fmt.Errorf("checksum database evidence: %w", err)
	}
	c := x.Checker
	c.Snapshot = x.confirming
	if err := c.CheckEvidence(ctx, x.from, e, mod); err != nil {
		return 0, err
	}
	image, err := x.image(ctx, d, raw)
	if err != nil {
		return 0, err
	}
	return x.to.ImportEvidence(ctx, x.toImport(&image, sigs))
}

func (x *copying) toImport(image *artifact.Image, sigs []sign.Signature) registry.Import {
	return registry.Import{Repository: x.Repository, Tag: x.Tag, Image: image, Signatures: sigs, DryRun: x.DryRun}
}

// revision copies what a branch, a tag or a commit means, once the version it means is there.
func (x *copying) revision(ctx context.Context) (registry.Outcome, error) {
	d, raw, err := x.manifest(ctx)
	if err != nil {
		return 0, err
	}
	r, err := artifact.ParseRevision(raw)
	if err != nil {
		return 0, fmt.Errorf("%s: %w", x.Copier.Source.Reference(x.Repository, x.Tag), err)
	}
	tag, err := artifact.RevisionTag(r.Name)
	if err := x.isAt(r.Query(), tag, err); err != nil {
		return 0, err
	}
	sigs, err := x.signed(ctx, sign.Subject{Module: r.Module(), Digest: d.Digest}, x.Checker.Verifier)
	if err != nil {
		return 0, fmt.Errorf("%s: recorded revision: %w", r.Query(), err)
	}
	if !x.DryRun && !x.Ahead {
		if _, err := x.to.Find(ctx, r.Module()); err != nil {
			return 0, fmt.Errorf("%s: recorded revision: %w", r.Query(), err)
		}
	}
	image, err := x.image(ctx, d, raw)
	if err != nil {
		return 0, err
	}
	return x.to.ImportRevision(ctx, x.toImport(&image, sigs))
}

// index copies the names of the modules that a signer put into the source.
func (x *copying) index(ctx context.Context) (registry.Outcome, error) {
	if x.Repository != artifact.IndexRepository {
		return x.tileIndex(ctx)
	}
	d, raw, err := x.manifest(ctx)
	if err != nil {
		return 0, err
	}
	paths, found, err := x.from.ReadIndex(ctx, x.Tag, x.Checker.Verifier)
	if err != nil {
		return 0, err
	}
	if found.Digest != d.Digest {
		return 0, x.changed()
	}
	sigs, _ := x.from.Signatures(ctx, x.Repository, d.Digest) // what of them cannot be read was not needed
	image, err := x.image(ctx, d, raw)
	if err != nil {
		return 0, err
	}
	return x.to.ImportIndex(ctx, x.toImport(&image, sigs), x.Checker.Verifier, paths)
}
