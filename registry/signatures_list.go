package registry

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/sync/errgroup"

	"github.com/modferry/modferry/artifact/sign"
)

// maxReferrers bounds the referrers of one manifest that are read, and referrerJobs how many at a time.
const (
	maxReferrers = 64
	referrerJobs = 4
)

// A SignatureManifest is a manifest in a store that has signatures of another one.
type SignatureManifest struct {
	Descriptor ocispec.Descriptor
	Raw        []byte // its layers are the blobs that go with it, and its config
	Tag        string // of classic signatures; "" of a bundle, which refers to what was signed as its subject
}

// SignatureManifests returns all manifests in repo with signatures of the manifest d, of either form; none is no error.
// It takes two requests, three where the registry keeps no lists of referrers, and one more for each referrer, of which
// the first 64 are read. Whoever copies a manifest pushes those too, each with its blobs and by its tag if it has one:
// [Backend] PushManifest sees that the others are listed as referrers again. Attestations are among them, and nothing is
// verified. With an error, the manifests that could be read are returned nevertheless.
func (s *Store) SignatureManifests(ctx context.Context, repo string, d digest.Digest) (all []SignatureManifest, err error) {
	tag := sign.Tag(d)
	desc, raw, err := s.Manifest(ctx, repo, tag)
	switch {
	case err == nil:
		all = append(all, SignatureManifest{desc, raw, tag})
	case errors.Is(err, ErrNotFound):
		err = nil
	}
	bundles, _, bundleErr := s.bundleManifests(ctx, repo, d)
	return append(all, bundles...), errors.Join(err, bundleErr)
}

// bundleManifests returns the referrers of a manifest that carry sigstore bundles, and notes on those that were passed
// over. With an error, those that could be read are returned nevertheless.
func (s *Store) bundleManifests(ctx context.Context, repo string, d digest.Digest) (bundles []SignatureManifest, notes []error, err error) {
	list, err := s.Referrers(ctx, repo, d)
	if err != nil {
		return nil, nil, err
	}
	// What registries list of types is not reliable, and is not relied upon: it says where to begin.
	slices.SortStableFunc(list, func(a, b ocispec.Descriptor) int { return likely(b) - likely(a) })
	if n := len(list) - maxReferrers; n > 0 {
		list = list[:maxReferrers]
		notes = append(notes, fmt.Errorf("of %d referrers only the first %d were read", n+maxReferrers, maxReferrers))
	}
	found, errs := make([]*SignatureManifest, len(list)), make([]error, len(list))
	var g errgroup.Group
	g.SetLimit(referrerJobs)
	for i, r := range list {
		g.Go(func() error {
			found[i], errs[i] = s.bundleManifest(ctx, repo, d, r)
			return nil
		})
	}
	_ = g.Wait() // the errors are in errs
	for i, m := range found {
		switch {
		case m != nil:
			bundles = append(bundles, *m)
		case errors.Is(errs[i], ErrNotFound) && likely(list[i]) > 0: // lists outlive what they name
			notes = append(notes, fmt.Errorf("the referrer %s is listed, but missing", list[i].Digest))
		case !errors.Is(errs[i], ErrNotFound) && !errors.Is(errs[i], ErrReference):
			err = errors.Join(err, errs[i])
		}
	}
	return bundles, notes, err
}

// likely is 1 for what is listed as a bundle, and otherwise 0.
func likely(d ocispec.Descriptor) int {
	if d.ArtifactType == sign.BundleType {
		return 1
	}
	return 0
}

// bundleManifest reads a referrer of subject. It is nil if that is no bundle of subject's.
func (s *Store) bundleManifest(ctx context.Context, repo string, subject digest.Digest, listed ocispec.Descriptor) (*SignatureManifest, error) {
	d, raw, err := s.Manifest(ctx, repo, listed.Digest.String())
	if err != nil {
		return nil, fmt.Errorf("reading a referrer: %w", err)
	}
	if of, _ := Referrer(d, raw); of == nil || of.Digest != subject || !sign.IsBundle(raw) {
		return nil, nil
	}
	return &SignatureManifest{Descriptor: d, Raw: raw}, nil
}
