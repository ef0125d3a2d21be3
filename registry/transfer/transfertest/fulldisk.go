package transfertest

import (
	"context"
	"os"
	"sync/atomic"
	"syscall"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/modferry/modferry/artifact"
	"github.com/modferry/modferry/registry"
)

// A FullDisk is a layout on a disk that has room for so many blobs.
type FullDisk struct {
	registry.Backend
	registry.Stager
	Left atomic.Int32
}

// NewFullDisk puts the layout of a store on such a disk.
func NewFullDisk(s *registry.Store, left int32) *FullDisk {
	f := &FullDisk{Backend: s.Backend, Stager: s.Backend.(registry.Stager)}
	f.Left.Store(left)
	return f
}

// PushBlob implements registry.Backend.
func (f *FullDisk) PushBlob(ctx context.Context, repo string, b artifact.Blob) error {
	return f.push(func() error { return f.Backend.PushBlob(ctx, repo, b) })
}

// PushStaged implements registry.Stager.
func (f *FullDisk) PushStaged(ctx context.Context, repo string, d ocispec.Descriptor, file string) error {
	return f.push(func() error { return f.Stager.PushStaged(ctx, repo, d, file) })
}

func (f *FullDisk) push(push func() error) error {
	if f.Left.Add(-1) < 0 {
		return &registry.Error{Op: "pushing blob", Registry: "oci:full", Err: &os.PathError{Op: "write", Path: "blob", Err: syscall.ENOSPC}}
	}
	return push()
}
