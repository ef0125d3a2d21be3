package remote

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	orasremote "oras.land/oras-go/v2/registry/remote"
	"oras.land/oras-go/v2/registry/remote/errcode"

	"github.com/modferry/modferry/artifact"
	"github.com/modferry/modferry/registry"
)

// errContent marks an error of the content being pushed, which is not the registry's, and passes for good.
var errContent = errors.New("reading the content to push")

// PushBlob implements registry.Writer.
func (r *remote) PushBlob(ctx context.Context, repo string, b artifact.Blob) error {
	d := b.Descriptor
	err := r.push(ctx, "pushing blob", repo, d.Digest.String(), func(o *orasremote.Repository) error {
		rc, err := b.Open()
		if err != nil {
			return fmt.Errorf("%w: %w", errContent, err)
		}
		defer rc.Close()
		return o.Blobs().Push(ctx, d, pushBody{rc})
	})
	if err == nil {
		r.absence.takesContent()
	}
	return err
}

// MountBlob sends the content where the registry does not mount it.
func (r *remote) MountBlob(ctx context.Context, repo string, b artifact.Blob, from registry.Backend, fromRepo string) (sent bool, err error) {
	other, ok := from.(*remote)
	if !ok || other.c != r.c || other.at.host != r.at.host || other.at.plain != r.at.plain {
		return false, registry.ErrUnsupported
	}
	err = r.push(ctx, "mounting blob", repo, b.Descriptor.Digest.String(), func(o *orasremote.Repository) error {
		return o.Mount(ctx, b.Descriptor, other.name(fromRepo), func() (io.ReadCloser, error) {
			sent = true
			rc, err := b.Open()
			if err != nil {
				return nil, fmt.Errorf("%w: %w", errContent, err)
			}
			return pushBody{rc}, nil
		})
	})
	if err == nil {
		r.absence.takesContent()
	}
	return sent, err
}

// PushManifest implements registry.Writer.
func (r *remote) PushManifest(ctx context.Context, repo string, d ocispec.Descriptor, raw []byte, tag string) error {
	ref := tag
	if tag == "" {
		ref = d.Digest.String()
	}
	err := r.push(ctx, "pushing manifest", repo, ref, func(o *orasremote.Repository) error {
		return o.Manifests().PushReference(ctx, d, bytes.NewReader(raw), ref)
	})
	if subject, referrer := registry.Referrer(d, raw); err == nil && subject != nil {
		err = r.listReferrer(ctx, repo, subject.Digest, referrer)
	}
	return err
}

// CreateTag implements registry.Writer.
func (r *remote) CreateTag(ctx context.Context, repo string, d ocispec.Descriptor, raw []byte, tag string, sure bool) error {
	if sure {
		return r.PushManifest(ctx, repo, d, raw, tag)
	}
	return r.push(ctx, "creating", repo, tag, func(o *orasremote.Repository) error {
		now, _, err := r.fetchManifest(ctx, o, tag)
		switch {
		case err == nil && now.Digest == d.Digest: // put by an attempt whose answer got lost, or by another publisher
			return nil
		case err == nil:
			return registry.ErrTagExists
		case !errors.Is(err, registry.ErrNotFound):
			return err
		}
		return o.Manifests().PushReference(ctx, d, bytes.NewReader(raw), tag)
	})
}

// push is do for what adds to a repository.
func (r *remote) push(ctx context.Context, op, repo, ref string, f func(*orasremote.Repository) error) error {
	err := r.do(ctx, op, repo, ref, f)
	var e *registry.Error
	if !errors.As(err, &e) {
		return err
	}
	create := fmt.Sprintf("if the registry does not make repositories by itself, create %s/%s", r.at.host, r.name(repo))
	switch {
	case errors.Is(err, registry.ErrUnsupported):
		e.Err, e.Hint = registry.ErrReadOnly, "it is read-only or a pull-through cache: push to the registry behind it"
	case errors.Is(err, registry.ErrNotFound) && e.Code == errcode.ErrorCodeNameUnknown: // Amazon's, for one
		e.Err, e.Hint = fmt.Errorf("%w: there is no such repository", registry.ErrDenied), create
	case errors.Is(err, registry.ErrDenied) && !errors.Is(err, registry.ErrReadOnly) && !lacksRight.MatchString(e.Message):
		e.Hint += "; " + create
	}
	return err
}

// pushBody tells a failure to read the content from one of the network.
type pushBody struct{ io.ReadCloser }

func (b pushBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if err != nil && err != io.EOF {
		err = fmt.Errorf("%w: %w", errContent, err)
	}
	return n, err
}
