package transfer

import (
	"context"
	"io"
	"os"
	"sync/atomic"

	"golang.org/x/time/rate"

	"github.com/modferry/modferry/artifact"
	"github.com/modferry/modferry/registry"
)

// checkFirst is the size from which a blob is asked for before it is pushed: an interrupted copy may have brought it.
const checkFirst = 1 << 20

// A target is a destination that takes blobs from the source's repository where both are in one registry, and is not
// sent a large one that it has.
type target struct {
	registry.Backend
	source  *spool
	limiter *rate.Limiter // of what is sent; nil = none

	sent, mounted atomic.Int64 // bytes of blobs
}

func (t *target) PushBlob(ctx context.Context, repo string, b artifact.Blob) error {
	if m, ok := t.Backend.(registry.Mounter); ok {
		sent, err := m.MountBlob(ctx, repo, b, t.source.Backend, repo)
		switch {
		case err == nil && sent:
			t.sent.Add(b.Descriptor.Size)
			return nil
		case err == nil:
			t.mounted.Add(b.Descriptor.Size)
			return nil
		case ctx.Err() != nil:
			return err
		}
		// Another registry, or one that does not mount for this account.
	}
	if b.Descriptor.Size >= checkFirst && t.CheckBlob(ctx, repo, b.Descriptor) == nil {
		return nil
	}
	if file, ok := t.source.take(b.Descriptor.Digest); ok {
		if err := t.source.stager.PushStaged(ctx, repo, b.Descriptor, file); err != nil {
			os.Remove(file)
			return err
		}
		t.sent.Add(b.Descriptor.Size)
		return nil
	}
	if t.limiter != nil {
		fast := b
		b = artifact.BlobFrom(b.Descriptor, func() (io.ReadCloser, error) {
			rc, err := fast.Open()
			if err != nil {
				return nil, err
			}
			return struct {
				io.Reader
				io.Closer
			}{limit(ctx, rc, t.limiter), rc}, nil
		})
	}
	err := t.Backend.PushBlob(ctx, repo, b)
	if err == nil {
		t.sent.Add(b.Descriptor.Size)
	}
	return err
}
