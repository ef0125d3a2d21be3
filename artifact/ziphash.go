package artifact

import (
	"archive/zip"
	"bufio"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"io"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/klauspost/compress/flate"
	"golang.org/x/sync/errgroup"
)

// maxHashers is how many entries of one zip are hashed at the same time; each takes about 150 KiB of memory.
const maxHashers = 4

// hashZip returns the sum that [golang.org/x/mod/sumdb/dirhash.HashZip] returns, in well below two thirds of its CPU
// time, on several cores. The names in z must differ, and none may have a line feed: modzip.CheckZip sees to that.
func hashZip(z *zip.Reader) (string, error) {
	z.RegisterDecompressor(zip.Deflate, inflate)
	files := slices.Clone(z.File)
	slices.SortFunc(files, func(a, b *zip.File) int { return strings.Compare(a.Name, b.Name) })
	sums := make([][sha256.Size]byte, len(files))
	var (
		g    errgroup.Group
		next atomic.Int64
	)
	for range min(maxHashers, runtime.GOMAXPROCS(0), len(files)) {
		g.Go(func() error {
			h, buf := sha256.New(), make([]byte, 32<<10)
			for i := next.Add(1) - 1; i < int64(len(files)); i = next.Add(1) - 1 {
				h.Reset()
				if err := copyEntry(h, files[i], buf); err != nil {
					next.Store(int64(len(files))) // the others need not go on
					return err
				}
				h.Sum(sums[i][:0])
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return "", err
	}
	h := sha256.New()
	for i, f := range files {
		fmt.Fprintf(h, "%x  %s\n", sums[i], f.Name)
	}
	return "h1:" + base64.StdEncoding.EncodeToString(h.Sum(nil)), nil
}

// copyEntry writes the content of an entry, which is checked against its CRC, to dst by way of buf.
func copyEntry(dst io.Writer, f *zip.File, buf []byte) error {
	r, err := f.Open()
	if err != nil {
		return fmt.Errorf("%s: %w", f.Name, err)
	}
	defer r.Close()
	if _, err := io.CopyBuffer(dst, r, buf); err != nil {
		return fmt.Errorf("%s: %w", f.Name, err)
	}
	return nil
}

// An inflater decompresses entries, one after the other: most are so small that making a new one for each would take as
// long as using it.
type inflater struct {
	io.ReadCloser
	src *bufio.Reader
}

var inflaters = sync.Pool{New: func() any {
	src := bufio.NewReaderSize(nil, 32<<10)
	return &inflater{flate.NewReader(src), src}
}}

// inflate is a zip.Decompressor.
func inflate(r io.Reader) io.ReadCloser {
	i := inflaters.Get().(*inflater)
	i.src.Reset(r)
	_ = i.ReadCloser.(flate.Resetter).Reset(i.src, nil) // fails never
	return i
}

// Close ends the use of i.
func (i *inflater) Close() error {
	i.src.Reset(nil)
	inflaters.Put(i)
	return nil
}
