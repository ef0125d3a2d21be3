// Package transfer copies what a store holds to another store. Nothing is trusted because of the way it came: whatever
// is not at the destination is verified at the source, as it would be before it were served, and only then pushed, its
// tag last.
package transfer

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/mod/module"
	"golang.org/x/time/rate"

	"github.com/modferry/modferry/artifact"
	"github.com/modferry/modferry/artifact/sign"
	"github.com/modferry/modferry/registry"
	"github.com/modferry/modferry/registry/verify"
)

// A Copier copies items. Source, Destination, and of Checker the fields Verifier and Log, are required. It is safe for
// concurrent use.
type Copier struct {
	Source, Destination *registry.Store

	// Checker decides what may be copied. Its field Snapshot is not used: versions are confirmed by the newest snapshot of
	// source and destination.
	Checker verify.Checker

	// Local says that the source is on a disk: Rate is for what is sent, and a dry run reads blobs.
	Local bool
	// TempDir is where large blobs are kept until the item is copied, unless the destination takes files; "" = the system's.
	TempDir string

	// Ahead says that other volumes of a bundle bring what is missing here, perhaps later: the version that evidence or a
	// revision is about, and a snapshot that is as new as a version's record, or any at all. Where a record is required,
	// nobody is served such a version before.
	Ahead bool

	Rate *rate.Limiter // bytes of blobs a second; nil = no limit

	// DryRun verifies and compares, and writes nothing. Blobs are only verified of a source that is Local.
	DryRun bool

	history history
	scratch scratch
}

// ErrUnknown: a tag is none that stands for something of modferry's.
var ErrUnknown = errors.New("neither a module version, nor evidence, a recorded revision, a checksum snapshot or an index")

// Copy copies an item, unless the destination has it. Its signatures are added to those there. The item's descriptor, if
// it is set, must be that of what the source has.
//
// What the destination has is never changed otherwise: a version with other content is a *registry.ConflictError; and a
// snapshot, an index or a recorded revision is only replaced by one that goes on from it. [verify.Classify] says what
// other errors of the event mean for the item.
func (c *Copier) Copy(ctx context.Context, it Item) (e Event) {
	source := c.newSpool()
	defer source.discard()
	destination := &target{Backend: c.Destination.Backend, source: source}
	if c.Local {
		destination.limiter = c.Rate
	}
	x := &copying{Copier: c, Item: it, from: registry.New(source), to: registry.New(destination)}
	copyKind, ok := map[Kind]func(context.Context) (registry.Outcome, error){
		Snapshot: x.snapshot, Evidence: x.evidence, Version: x.version, Revision: x.revision, Index: x.index,
	}[it.Kind()]
	e.Item = it
	if !ok {
		e.Err = fmt.Errorf("%s: %w", c.Source.Reference(it.Repository, it.Tag), ErrUnknown)
		return e
	}
	e.Outcome, e.Err = copyKind(ctx)
	e.Item.Descriptor, e.Module = x.found, x.about
	e.Sent, e.Mounted = destination.sent.Load(), destination.mounted.Load()
	return e
}

// copying is one call of Copy.
type copying struct {
	*Copier
	Item
	from, to *registry.Store

	found ocispec.Descriptor // at the source
	about module.Version     // that the item is about, if it is a module's
}

// manifest reads the manifest at the source.
func (x *copying) manifest(ctx context.Context) (ocispec.Descriptor, []byte, error) {
	ref := x.Tag
	if x.Descriptor.Digest != "" {
		ref = x.Descriptor.Digest.String()
	}
	d, raw, err := x.from.Manifest(ctx, x.Repository, ref)
	x.found = d
	return d, raw, err
}

// isAt checks that what m is about belongs in the item's repository under the tag.
func (x *copying) isAt(m module.Version, tag string, err error) error {
	repo, e := artifact.Repository(m.Path)
	if err = errors.Join(err, e); err != nil {
		return fmt.Errorf("%s: %w", x.Copier.Source.Reference(x.Repository, x.Tag), err)
	}
	if repo != x.Repository || tag != x.Tag {
		return fmt.Errorf("%s: %w: it belongs to %v", x.Copier.Source.Reference(x.Repository, x.Tag), artifact.ErrIdentity, m)
	}
	x.about = m
	return nil
}

// image returns a manifest of ours, which was parsed, with what it lists, as the source has it.
func (x *copying) image(ctx context.Context, d ocispec.Descriptor, raw []byte) (im artifact.Image, err error) {
	var m ocispec.Manifest
	if err := json.Unmarshal(raw, &m); err != nil {
		return im, err
	}
	return x.imageOf(ctx, d, raw, append([]ocispec.Descriptor{m.Config}, m.Layers...)), nil
}

// imageOf is image of a manifest of which it is known what it lists.
func (x *copying) imageOf(ctx context.Context, d ocispec.Descriptor, raw []byte, listed []ocispec.Descriptor) artifact.Image {
	d.MediaType = ocispec.MediaTypeImageManifest // a source need not say so
	im, there := artifact.Image{Descriptor: d, Raw: raw}, make(map[digest.Digest]bool)
	for _, d := range listed {
		if !there[d.Digest] {
			there[d.Digest] = true
			im.Blobs = append(im.Blobs, x.blob(ctx, d))
		}
	}
	return im
}

// blob is what the destination reads, and holds against the digest, after verification has done so.
func (x *copying) blob(ctx context.Context, d ocispec.Descriptor) artifact.Blob {
	d.Data = nil
	return artifact.BlobFrom(d, func() (io.ReadCloser, error) { return x.from.Backend.Blob(ctx, x.Repository, d) })
}

// signed returns the signatures at the source, if v accepts them.
func (x *copying) signed(ctx context.Context, subject sign.Subject, v sign.Verifier) ([]sign.Signature, error) {
	if _, err := x.from.VerifyManifest(ctx, x.Repository, subject, v); err != nil {
		return nil, err
	}
	sigs, _ := x.from.Signatures(ctx, x.Repository, subject.Digest) // what of them cannot be read was not needed
	return sigs, nil
}
