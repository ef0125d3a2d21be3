package bundle

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/modferry/modferry/registry"
)

// A PartsError is the error of a blob that is cut, of which other volumes have parts that are not here.
type PartsError struct {
	Volumes []int // that have them
}

// Error names the volumes.
func (e *PartsError) Error() string {
	return fmt.Sprintf("parts of it are in the volumes %v of the bundle, which were not read yet", e.Volumes)
}

// Lacks returns the numbers of the other volumes that have parts of the nth item which are not in PartsDir.
func (v *Volume) Lacks(n int) (volumes []int) {
	for _, b := range v.lines.items[n].Blobs {
		volumes = append(volumes, v.lacks(&b)...)
	}
	return volumes
}

func (v *Volume) lacks(b *Blob) (volumes []int) {
	for _, p := range b.Parts {
		if p.Volume == v.lines.Volume {
			continue
		}
		if info, err := os.Stat(v.partFile(p.File)); v.o.PartsDir == "" || err != nil || info.Size() != p.Size {
			volumes = append(volumes, p.Volume)
		}
	}
	return volumes
}

func (v *Volume) partFile(f File) string { return filepath.Join(v.o.PartsDir, f.Digest.hex()) }

// KeepParts puts the parts that the nth item has in this volume into PartsDir, for other volumes that lack them.
func (v *Volume) KeepParts(ctx context.Context, n int) error {
	if err := os.MkdirAll(v.o.PartsDir, 0o777); err != nil {
		return err
	}
	for _, b := range v.lines.items[n].Blobs {
		for _, p := range b.Parts {
			if p.Volume != v.lines.Volume {
				continue
			}
			if err := v.keepPart(ctx, p.File); err != nil {
				return v.fail("keeping a part of blob", v.lines.items[n].Repository, b.Digest.String(), err)
			}
		}
	}
	return nil
}

func (v *Volume) keepPart(ctx context.Context, f File) error {
	r, err := v.from.open(ctx, f)
	if err != nil {
		return err
	}
	defer r.Close()
	temp, err := os.CreateTemp(v.o.PartsDir, "*.tmp") // others may keep the same part
	if err != nil {
		return err
	}
	if err := errors.Join(temp.Close(), writeFile(temp.Name(), f, r)); err != nil {
		return err
	}
	return os.Rename(temp.Name(), v.partFile(f))
}

// DropDamaged removes the parts of the nth item from PartsDir that are not what they were any more.
func (v *Volume) DropDamaged(n int) {
	for _, b := range v.lines.items[n].Blobs {
		for _, p := range b.Parts {
			in, err := os.Open(v.partFile(p.File))
			if err != nil {
				continue
			}
			err = copyFile(io.Discard, in, p.File)
			in.Close()
			if errors.Is(err, registry.ErrCorrupt) {
				os.Remove(v.partFile(p.File))
			}
		}
	}
}

// DropParts removes the parts of the nth item from PartsDir, and the directory with the last of them.
func (v *Volume) DropParts(n int) {
	dropped := false
	for _, b := range v.lines.items[n].Blobs {
		for _, p := range b.Parts {
			dropped = os.Remove(v.partFile(p.File)) == nil || dropped
		}
	}
	if dropped {
		_ = os.Remove(v.o.PartsDir) // unless there are others
	}
}

// join reads a blob from its parts, one after the other.
func (v *Volume) join(ctx context.Context, b *Blob) (io.ReadCloser, error) {
	if lacks := v.lacks(b); lacks != nil {
		return nil, &PartsError{Volumes: lacks}
	}
	return &joined{ctx: ctx, v: v, parts: b.Parts}, nil
}

// joined is a blob that is read from its parts. Its digest is checked by who reads it.
type joined struct {
	ctx   context.Context
	v     *Volume
	parts []Part // that were not begun
	now   io.ReadCloser
}

// Read goes from the end of a part to the next.
func (j *joined) Read(p []byte) (int, error) {
	for {
		if j.now != nil {
			n, err := j.now.Read(p)
			if n > 0 || !errors.Is(err, io.EOF) {
				return n, err
			}
			j.now.Close()
			j.now = nil
		}
		if len(j.parts) == 0 {
			return 0, io.EOF
		}
		var err error
		if part := j.parts[0]; part.Volume == j.v.lines.Volume {
			j.now, err = j.v.from.open(j.ctx, part.File)
		} else {
			j.now, err = os.Open(j.v.partFile(part.File))
		}
		if err != nil {
			return 0, err
		}
		j.parts = j.parts[1:]
	}
}

// Close closes the part that is being read, if one is.
func (j *joined) Close() error {
	if j.now == nil {
		return nil
	}
	return j.now.Close()
}
