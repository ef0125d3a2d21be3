package registry

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"golang.org/x/mod/module"

	"github.com/modferry/modferry/artifact"
	"github.com/modferry/modferry/artifact/sign"
)

// Outcome is what Publish did.
type Outcome int

// The outcomes of Publish.
const (
	Published      Outcome = iota // the version was not there and is now
	Exists                        // it was there, with our signature if we sign
	SignatureAdded                // it was there and has our signature now
)

// String returns the outcome in words.
func (o Outcome) String() string {
	return [...]string{"published", "exists", "signature added"}[o]
}

// PublishOptions configures Publish.
type PublishOptions struct {
	Signer *sign.Signer // nil = do not sign
	// OtherSignatures are those that others made of this very manifest, where it was copied from. They are added to those that
	// are there.
	OtherSignatures []sign.Signature
	// Recorded says that both sums were confirmed by the checksum database, so
	// that nobody else can publish other content for this version.
	Recorded bool
	// Absent says that Confirm has just not found the version, so that it is not looked for again before it is pushed.
	Absent bool
	// DryRun says that nothing is to be written: the outcome is what it would be.
	DryRun bool
}

// Publish stores a module version: blobs, manifest by digest, signature, and the version's tag last, so that nobody
// ever sees a part of it. What is there already is never overwritten: the same module is left alone (but given our
// signature), another one is a *ConflictError. In a layout that holds for two who publish at the same moment, too. A
// registry is asked for the tag right before it is put, unless it is recorded, and after it: who is overwritten in
// between is told.
//
// Of two who publish the same new version with different keys at the same moment one may
// lose its signature, as registries have no compare-and-swap; publishing again adds it.
//
// A new signed full version takes 15 requests, two more unless it is recorded, and one less if Confirm's request was
// made before; one that needs nothing takes two. A store opened in a registry confirms with one request that what is
// not there is absent, until it has pushed something.
func (s *Store) Publish(ctx context.Context, a *artifact.Artifact, o PublishOptions) (Outcome, error) {
	repo, tag, err := name(a.Manifest.Module, a.Manifest.ModOnly())
	if err != nil {
		return 0, err
	}
	p := publisher{Store: s, PublishOptions: o, a: a, repo: repo, tag: tag}
	var outcome Outcome
	err = ErrNotFound
	if !o.Absent {
		outcome, err = p.existing(ctx)
	}
	switch {
	case IsAbsent(err) && o.DryRun:
		outcome, err = Published, nil
	case IsAbsent(err):
		outcome, err = p.push(ctx)
	}
	var conflict *ConflictError
	if err != nil && !errors.As(err, &conflict) {
		err = fmt.Errorf("publishing %v: %w", a.Manifest.Module, err)
	}
	return outcome, err
}

// Confirm looks whether a version needs no publishing, before anything of it is fetched: it is there, and with
// signer's signature unless signer is nil. It takes at most two requests. done is false and m is set when the version
// is there without our signature; fetch it and let Publish compare before it signs. It is ErrNotFound when the
// version is not there.
func (s *Store) Confirm(ctx context.Context, v module.Version, modOnly bool, signer *sign.Signer) (m *Module, done bool, err error) {
	m, err = s.FindKind(ctx, v, modOnly)
	if IsAbsent(err) {
		return nil, false, fmt.Errorf("%w: %w", ErrNotFound, err)
	}
	if err == nil {
		err = s.readBackVersion(ctx, m)
	}
	if err != nil || signer == nil {
		return m, err == nil, err
	}
	l, err := s.lacks(ctx, m.Repository, m.Module, m.Descriptor, signer)
	return m, err == nil && l.none(), err
}

// publisher is one call of Publish.
type publisher struct {
	*Store
	PublishOptions
	a         *artifact.Artifact
	repo, tag string
}

func (p *publisher) signing() signing { return signing{p.Signer, p.OtherSignatures} }

// push stores a version that is not there, in the order that shows nobody a part of it.
func (p *publisher) push(ctx context.Context) (Outcome, error) {
	if err := p.pushSigned(ctx, p.repo, p.a.Manifest.Module, &p.a.Image, p.signing()); err != nil {
		return 0, err
	}
	err := p.CreateTag(ctx, p.repo, p.a.Descriptor, p.a.Raw, p.tag, p.Recorded)
	if errors.Is(err, ErrTagExists) || errors.Is(err, ErrPolicy) {
		// Someone else was faster. ErrPolicy is an immutable tag; it may be our
		// own, if the answer to a first attempt got lost.
		outcome, e := p.existing(ctx)
		if errors.Is(e, ErrNotFound) {
			return 0, err
		}
		return outcome, e
	}
	outcome := Published
	if err == nil && !p.Recorded {
		outcome, err = p.settle(ctx)
	}
	if err == nil {
		err = p.readBack(ctx, p.repo, p.tag)
	}
	return outcome, err
}

// readBack looks whether a tag is listed as it was put, if it is one that a registry may have put into lower case
// (as Gitea does): no go command would find the version by that.
func (s *Store) readBack(ctx context.Context, repo, tag string) error {
	folded := strings.ToLower(tag)
	if folded == tag {
		return nil
	}
	tags := make(map[string]bool)
	for listed, err := range s.Tags(ctx, repo) {
		if err != nil {
			return err
		}
		tags[listed] = true
	}
	if tags[folded] && !tags[tag] {
		return fmt.Errorf("%w: %s lists it as %s: it has tags in lower case only, so keep modules in another registry",
			ErrUnsupported, s.Reference(repo, tag), folded)
	}
	return nil
}

// readBackVersion is readBack of a version that is there.
func (s *Store) readBackVersion(ctx context.Context, m *Module) error {
	repo, tag, err := name(m.Module, m.ModOnly())
	if err != nil {
		return err
	}
	if err := s.readBack(ctx, repo, tag); err != nil {
		return fmt.Errorf("%v: %w", m.Module, err)
	}
	return nil
}

// settle looks who won if two published different content at the same time.
func (p *publisher) settle(ctx context.Context) (Outcome, error) {
	d, _, err := p.Manifest(ctx, p.repo, p.tag)
	if errors.Is(err, ErrPolicy) {
		return Published, nil // held back until it is scanned, or for what is in it
	}
	if err != nil {
		return 0, err
	}
	if d.Digest == p.a.Descriptor.Digest {
		return Published, nil
	}
	return p.existing(ctx)
}
