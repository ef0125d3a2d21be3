package remote

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"oras.land/oras-go/v2/errdef"
	orasremote "oras.land/oras-go/v2/registry/remote"
	"oras.land/oras-go/v2/registry/remote/errcode"

	"github.com/modferry/modferry/registry"
)

const (
	// maxReferrerPages and maxReferrers bound what is read of a registry's list of one manifest's referrers.
	maxReferrerPages = 100
	maxReferrers     = 1000

	// referrerAttempts bounds how often a list is written anew because others did so meanwhile.
	referrerAttempts = 8

	// askAgainAfter is how long a registry that keeps no lists of referrers is not asked for one.
	askAgainAfter = 10 * time.Minute
)

// referrers is what is known of a registry's lists of referrers.
type referrers struct {
	missing atomic.Pointer[time.Time] // when it said that it keeps none: clients do, under tags

	// writing is held by who changes a list under a tag: of two who do so at the same time, one would lose.
	writing sync.Mutex
}

var (
	errEnough   = errors.New("enough") // ends a listing that goes on
	errBusyList = errors.New("others keep changing the list")
)

// Referrers implements registry.Reader.
func (r *remote) Referrers(ctx context.Context, repo string, subject digest.Digest) ([]ocispec.Descriptor, error) {
	if err := subject.Validate(); err != nil {
		return nil, malformed(subject.String(), err.Error())
	}
	list, err := r.keptReferrers(ctx, repo, subject)
	if len(list) > 0 || err != nil && !errors.Is(err, registry.ErrUnsupported) {
		return list, err
	}
	list, _, err = r.taggedReferrers(ctx, repo, subject)
	return list, err
}

// keptReferrers returns the list that the registry keeps, which is ErrUnsupported if it keeps none.
func (r *remote) keptReferrers(ctx context.Context, repo string, subject digest.Digest) (list []ocispec.Descriptor, err error) {
	if since := r.referrers.missing.Load(); since != nil && time.Since(*since) < askAgainAfter {
		return nil, registry.ErrUnsupported
	}
	err = r.do(ctx, "listing the referrers of", repo, subject.String(), func(o *orasremote.Repository) error {
		list = nil
		err := o.Referrers(ctx, ocispec.Descriptor{Digest: subject}, "", func(page []ocispec.Descriptor) error {
			for _, d := range page {
				d.Annotations, d.Data, d.URLs = nil, nil, nil
				list = append(list, d)
			}
			if len(list) > maxReferrers {
				return errEnough
			}
			return nil
		})
		var e *registry.Error
		switch {
		case errors.Is(err, errEnough):
			return nil
		case errors.Is(err, errdef.ErrUnsupported): // a page for people, perhaps
			return &registry.Error{Err: registry.ErrUnsupported}
		case errors.As(err, &e) && e.Status == http.StatusNotFound: // distribution; for no manifest there would be an empty list
			return &registry.Error{Status: e.Status, Err: registry.ErrUnsupported}
		}
		return err
	})
	if now := time.Now(); errors.Is(err, registry.ErrUnsupported) {
		r.referrers.missing.Store(&now)
	}
	return list, err
}

// taggedReferrers returns the list under the subject's tag, and its manifest; none if there is no such tag, or if it names
// the subject, as the one that "cosign copy" puts there does.
func (r *remote) taggedReferrers(ctx context.Context, repo string, subject digest.Digest) (list []ocispec.Descriptor, raw []byte, err error) {
	tag := registry.ReferrersTag(subject)
	d, raw, err := r.Manifest(ctx, repo, tag)
	if errors.Is(err, registry.ErrNotFound) || err == nil && d.Digest == subject {
		return nil, nil, nil
	}
	if err == nil {
		list, err = registry.ParseReferrers(raw)
	}
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", r.Reference(repo, tag), err)
	}
	return list, raw, nil
}

// listReferrer sees that a manifest that was pushed is listed: by the registry or else under the subject's tag.
func (r *remote) listReferrer(ctx context.Context, repo string, subject digest.Digest, referrer ocispec.Descriptor) error {
	lists := func(list []ocispec.Descriptor) bool {
		return slices.ContainsFunc(list, func(d ocispec.Descriptor) bool { return d.Digest == referrer.Digest })
	}
	kept, err := r.keptReferrers(ctx, repo, subject)
	switch {
	case errors.Is(err, registry.ErrUnsupported):
	case err != nil || lists(kept) || len(kept) > maxReferrers:
		return err
	}
	r.referrers.writing.Lock()
	defer r.referrers.writing.Unlock()
	var gone []digest.Digest
	for range referrerAttempts {
		list, raw, err := r.taggedReferrers(ctx, repo, subject)
		if err != nil {
			return err
		}
		image, added, err := registry.AddReferrer(raw, referrer, gone...)
		if err != nil || !added {
			return err
		}
		err = r.PushManifest(ctx, repo, image.Descriptor, image.Raw, registry.ReferrersTag(subject))
		var refused *registry.Error
		if errors.As(err, &refused) && refused.Code == errcode.ErrorCodeManifestBlobUnknown && gone == nil {
			var failed error
			if gone, failed = r.gone(ctx, repo, list); failed != nil {
				return failed
			}
			if len(gone) > 0 {
				continue
			}
		}
		if err != nil {
			return err
		}
	}
	return &registry.Error{
		Op: "listing a referrer of", Registry: r.at.host, Repository: r.name(repo), Reference: subject.String(),
		Err: errBusyList,
	}
}

// gone returns which of the manifests in a list of referrers are not there. Some clients delete a referrer and leave it in
// the list, and distribution refuses a list with such an entry, so that nobody could add another one.
func (r *remote) gone(ctx context.Context, repo string, list []ocispec.Descriptor) (missing []digest.Digest, err error) {
	for _, d := range list {
		_, err := r.Resolve(ctx, repo, d.Digest.String())
		switch {
		case errors.Is(err, registry.ErrNotFound):
			missing = append(missing, d.Digest)
		case err != nil:
			return nil, err
		}
	}
	return missing, nil
}
