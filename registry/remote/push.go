package remote

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"sync"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	orasremote "oras.land/oras-go/v2/registry/remote"

	"github.com/modferry/modferry/artifact"
	"github.com/modferry/modferry/registry"
)

// errContent marks an error of the content being pushed, which is not the registry's.
var errContent = errors.New("reading the content to push")

func (r *remote) PushBlob(ctx context.Context, repo string, b artifact.Blob) error {
	d := b.Descriptor
	return r.do(ctx, "pushing blob", repo, d.Digest.String(), func(o *orasremote.Repository) error {
		rc, err := b.Open()
		if err != nil {
			return fmt.Errorf("%w: %w", errContent, err)
		}
		body := &pushBody{rc: rc}
		defer body.Close()
		err = o.Blobs().Push(ctx, d, body)
		if failure := body.failure(); failure != nil {
			return failure
		}
		return err
	})
}

func (r *remote) PushManifest(ctx context.Context, repo string, d ocispec.Descriptor, raw []byte, tag string) error {
	ref := tag
	if tag == "" {
		ref = d.Digest.String()
	}
	return r.do(ctx, "pushing manifest", repo, ref, func(o *orasremote.Repository) error {
		return o.Manifests().PushReference(ctx, d, bytes.NewReader(raw), ref)
	})
}

func (r *remote) CreateTag(ctx context.Context, repo string, d ocispec.Descriptor, raw []byte, tag string, sure bool) error {
	if sure {
		return r.PushManifest(ctx, repo, d, raw, tag)
	}
	return r.do(ctx, "creating", repo, tag, func(o *orasremote.Repository) error {
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

// pushBody is the body of an upload. The HTTP transport may still be reading it when the request has failed already,
// so closing waits for a read; and it remembers a read error, which the transport would report as one of the network.
type pushBody struct {
	mu     sync.Mutex
	rc     io.ReadCloser
	err    error
	closed bool
}

func (b *pushBody) Read(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return 0, io.ErrClosedPipe
	}
	n, err := b.rc.Read(p)
	if err != nil && err != io.EOF {
		b.err = fmt.Errorf("%w: %w", errContent, err)
	}
	return n, err
}

func (b *pushBody) Close() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return nil
	}
	b.closed = true
	return b.rc.Close()
}

func (b *pushBody) failure() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.err
}
