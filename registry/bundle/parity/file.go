package parity

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"strings"
)

// Fit returns the size of the largest volume that takes no more than so many bytes together with its sidecar; 0 if
// there is none.
func Fit(total int64, s Share) int64 {
	return int64(sort.Search(int(min(total, maxVolume)), func(n int) bool {
		size := int64(n) + 1
		return size+Size(size, s) > total
	}))
}

// WriteFile writes the sidecar of the volume in a file beside it, and returns its size. One that is there and whole
// is kept. It has its name when it is complete.
func WriteFile(ctx context.Context, volume string, s Share) (size int64, err error) {
	f, err := os.Open(volume)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return 0, err
	}
	name := volume + Extension
	size = Size(info.Size(), s)
	if whole, err := isSidecar(ctx, name, f, info.Size(), s); whole || err != nil {
		return size, err
	}
	temp := filepath.Join(filepath.Dir(name), "."+filepath.Base(name)+".tmp")
	to, err := os.Create(temp)
	if err != nil {
		return 0, err
	}
	err = Write(ctx, f, info.Size(), s, to)
	if err == nil {
		err = to.Sync()
	}
	if err = errors.Join(err, to.Close()); err == nil {
		err = os.Rename(temp, name)
	}
	if err != nil {
		return 0, errors.Join(err, os.Remove(temp))
	}
	return size, nil
}

// isSidecar reports whether a file is the sidecar of a volume for a share, with no damage.
func isSidecar(ctx context.Context, name string, volume *os.File, size int64, s Share) (bool, error) {
	f, err := os.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil || info.Size() != Size(size, s) {
		return false, err
	}
	sidecar, err := Open(ctx, f, info.Size())
	if err != nil {
		return false, context.Cause(ctx)
	}
	if whole, all := sidecar.Records(); whole < all || sidecar.size != size {
		return false, nil
	}
	damage, err := sidecar.Check(ctx, volume, size)
	return damage.None(), err
}

// Volumes returns names with that of a volume, once, in the place of one of its sidecar, if the volume is beside it.
func Volumes(names []string) (volumes []string) {
	for _, name := range names {
		if volume, ok := strings.CutSuffix(name, Extension); !ok || !exists(volume) {
			volumes = append(volumes, name)
		} else if !slices.Contains(names, volume) && !slices.Contains(volumes, volume) {
			volumes = append(volumes, volume)
		}
	}
	return volumes
}

// HasSidecar reports whether a name is that of a volume with a sidecar beside it.
func HasSidecar(volume string) bool { return exists(volume + Extension) }

func exists(name string) bool {
	_, err := os.Stat(name)
	return err == nil
}

// Mended is a volume's file, or else a copy that was repaired.
type Mended struct {
	Path   string // of the file or its copy
	Damage Damage
	Err    error // why nothing was repaired, if there is a sidecar and the volume may have damage
	remove bool
}

// Close removes the copy, if there is one.
func (m *Mended) Close() error {
	if !m.remove {
		return nil
	}
	return os.Remove(m.Path)
}

// Mend reads the volume in a file, if there is a sidecar beside it. One that has damage is not changed: what it
// should be is written to a file in dir ("" is the system's directory for temporary files), for as long as the caller
// does not close it. A directory, or a file without a sidecar, is taken as it is.
//
// Where that fails, Err matches ErrBeyondRepair or ErrUseless or says that there was no room, and the volume is taken
// as it is, too: what is in it may be enough.
func Mend(ctx context.Context, volume, dir string) *Mended {
	m := &Mended{Path: volume}
	name := volume + Extension
	info, err := os.Stat(volume)
	if err != nil || !info.Mode().IsRegular() {
		return m // for the caller to find out
	}
	file, err := os.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return m
	}
	if err == nil {
		defer file.Close()
		err = m.mend(ctx, file, info.Size(), dir)
	}
	if err != nil {
		m.Err = fmt.Errorf("%s: %w", name, err)
	}
	return m
}

func (m *Mended) mend(ctx context.Context, file *os.File, size int64, dir string) error {
	info, err := file.Stat()
	if err != nil {
		return err
	}
	sidecar, err := Open(ctx, file, info.Size())
	if err != nil {
		return err
	}
	volume, err := os.Open(m.Path)
	if err != nil {
		return err
	}
	defer volume.Close()
	if m.Damage, err = sidecar.Check(ctx, volume, size); err != nil || m.Damage.None() {
		return err
	}
	if dir != "" {
		if err := os.MkdirAll(dir, 0o777); err != nil {
			return err
		}
	}
	to, err := os.CreateTemp(dir, "repaired-*-"+filepath.Base(m.Path))
	if err != nil {
		return err
	}
	_, err = sidecar.Repair(ctx, volume, size, to)
	if err = errors.Join(err, to.Close()); err != nil {
		return errors.Join(err, os.Remove(to.Name()))
	}
	m.Path, m.remove = to.Name(), true
	return nil
}

// Repaired reports whether there is a copy.
func (m *Mended) Repaired() bool { return m.remove }

// String says what was lost.
func (d Damage) String() string {
	if len(d.Lost) == 0 {
		return "something comes after its end"
	}
	return fmt.Sprintf("%d of its %d blocks, of %d bytes, are damaged", len(d.Lost), d.Blocks, d.Bytes)
}
