package verify

import (
	"context"
	"fmt"
	"io"
	"os"

	"github.com/modferry/modferry/registry"
)

// Zip streams the zip of mod, which was checked, into f, and checks it: the layer's digest and the sum of what is in
// it. After an error f holds a useless part.
func Zip(ctx context.Context, store *registry.Store, mod *registry.Module, f *os.File) error {
	if err := ReadZip(ctx, store, mod, f); err != nil {
		return err
	}
	return CheckZip(mod, f.Name())
}

// ReadZip is the first half of Zip, without the sum.
func ReadZip(ctx context.Context, store *registry.Store, mod *registry.Module, f *os.File) error {
	return Repeat(ctx, func() error {
		if _, err := f.Seek(0, io.SeekStart); err != nil {
			return err
		}
		if err := f.Truncate(0); err != nil {
			return err
		}
		return store.Zip(ctx, mod, f)
	})
}

// CheckZip is the other half of Zip. It keeps all cores busy.
func CheckZip(mod *registry.Module, file string) error {
	if err := mod.CheckZipFile(file); err != nil {
		return fmt.Errorf("%v: %w", mod.Module, err)
	}
	return nil
}
