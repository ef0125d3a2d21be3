package bundle

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"

	"github.com/modferry/modferry/artifact/userfile"
	"github.com/modferry/modferry/registry/bundle/ustar"
)

// bufferSize is that of reads and writes.
const bufferSize = 1 << 20

// WriteTo writes volume k, from 1, as a tar.
func (p *Plan) WriteTo(ctx context.Context, k int, to io.Writer, o WriteOptions) error {
	out := bufio.NewWriterSize(to, bufferSize)
	if err := p.writer(k, tarSink{ustar.Writer{Writer: out}}, o).write(ctx); err != nil {
		return err
	}
	return out.Flush()
}

func (p *Plan) writer(k int, to sink, o WriteOptions) *writer {
	return &writer{Plan: p, WriteOptions: o, to: to, volume: k, buf: make([]byte, bufferSize)}
}

// tarSuffix ends the names of tars.
const tarSuffix = ".tar"

// VolumePath returns the path of volume k of n, for an output that is named path: that itself if there is one volume,
// else name-1of3, which comes before .tar. Names sort by number. An output is a tar if its name ends in .tar, and else a
// directory.
func VolumePath(path string, k, n int) string {
	if n == 1 {
		return path
	}
	name, tar := strings.CutSuffix(path, tarSuffix)
	name += fmt.Sprintf("-%0*dof%d", len(strconv.Itoa(n)), k, n)
	if tar {
		name += tarSuffix
	}
	return name
}

// ErrExists: in the place of a volume is something else already.
var ErrExists = errors.New("it exists, and is another volume or a damaged one; nothing was overwritten")

// Create writes all volumes to where [VolumePath] says; done is told of each. A volume has its name when it is complete,
// and is named with a dot in front and .tmp at the end before. So it is what an interrupted run left: the next one
// writes that anew, and keeps the volumes that are complete, after it has read them. Only one run at a time writes to a
// path.
func (p *Plan) Create(ctx context.Context, path string, o WriteOptions, done func(volume string)) error {
	unlock, err := lock(hidden(path, ".lock"))
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("writing %s: there is no directory %s", path, filepath.Dir(path))
	}
	if err != nil {
		return err
	}
	defer unlock()
	for k := range p.volumes {
		volume := VolumePath(path, k+1, len(p.volumes))
		if err := p.create(ctx, k+1, volume, o); err != nil {
			return fmt.Errorf("writing %s, volume %d of %d: %w", volume, k+1, len(p.volumes), err)
		}
		done(volume)
	}
	return nil
}

// hidden returns a name beside that of a path.
func hidden(path, suffix string) string {
	return filepath.Join(filepath.Dir(path), "."+filepath.Base(path)+suffix)
}

// lock takes a lock that ends with the process.
func lock(path string) (unlock func(), err error) {
	release, err := userfile.TryLock(path, os.O_CREATE)
	if err == nil && release == nil {
		err = fmt.Errorf("another run is writing there: it has the lock %s", path)
	}
	return func() {
		os.Remove(path)
		release()
	}, err
}

// create writes one volume, unless it is there.
func (p *Plan) create(ctx context.Context, k int, path string, o WriteOptions) error {
	switch _, err := os.Lstat(path); {
	case err == nil:
		return p.confirm(ctx, k, path, o)
	case !errors.Is(err, fs.ErrNotExist):
		return err
	}
	temp := hidden(path, ".tmp")
	if err := os.RemoveAll(temp); err != nil {
		return err
	}
	write := p.createDir
	if strings.HasSuffix(path, tarSuffix) {
		write = p.createTar
	}
	err := write(ctx, k, temp, o)
	if err == nil {
		err = os.Rename(temp, path)
	}
	if err != nil {
		return errors.Join(err, os.RemoveAll(temp))
	}
	return syncDir(filepath.Dir(path))
}

// confirm is nil if what is there is volume k, undamaged.
func (p *Plan) confirm(ctx context.Context, k int, path string, o WriteOptions) error {
	v, err := Open(path, Options{})
	if err != nil {
		return fmt.Errorf("%w: %w", ErrExists, err)
	}
	defer v.Close()
	if v.lines.Bundle != p.header.Bundle || v.lines.Volume != k || v.lines.Signed != (o.Signer != nil) || v.Missing() > 0 {
		return ErrExists
	}
	damaged, err := v.Check(ctx, o.Progress)
	if err == nil && len(damaged) > 0 {
		err = fmt.Errorf("%w: %w", ErrExists, damaged[0].Err)
	}
	return err
}

func (p *Plan) createTar(ctx context.Context, k int, temp string, o WriteOptions) error {
	f, err := os.Create(temp)
	if err != nil {
		return err
	}
	err = p.WriteTo(ctx, k, f, o)
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

type tarSink struct{ ustar.Writer }

func (t tarSink) end() error { return t.End() }

func (t tarSink) file(name string, size int64, write func(io.Writer) error) error {
	if err := t.Begin(name, size); err != nil {
		return err
	}
	if err := write(t.Writer); err != nil {
		return err
	}
	return t.Finish(size)
}

func (p *Plan) createDir(ctx context.Context, k int, temp string, o WriteOptions) error {
	if err := os.MkdirAll(filepath.Join(temp, filepath.FromSlash(blobsDir)), 0o777); err != nil {
		return err
	}
	return p.writer(k, &dirSink{dir: temp, out: bufio.NewWriterSize(nil, bufferSize)}, o).write(ctx)
}

// dirSink writes files below a directory.
type dirSink struct {
	dir   string
	out   *bufio.Writer
	files []string
}

func (d *dirSink) file(name string, _ int64, write func(io.Writer) error) error {
	path := filepath.Join(d.dir, filepath.FromSlash(name))
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o444)
	if err != nil {
		return err
	}
	d.out.Reset(f)
	if err = write(d.out); err == nil {
		err = d.out.Flush()
	}
	d.files = append(d.files, path)
	return errors.Join(err, f.Close())
}

// end makes durable what was written, once the system has had time to write most of it.
func (d *dirSink) end() error {
	for _, path := range append(d.files, filepath.Join(d.dir, filepath.FromSlash(blobsDir)), d.dir) {
		if err := syncFile(path); err != nil {
			return err
		}
	}
	return nil
}

// syncDir makes the names in a directory durable, where the system can do that.
func syncDir(dir string) error {
	if runtime.GOOS == "windows" {
		return nil
	}
	return syncFile(dir)
}

func syncFile(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	return f.Sync()
}
