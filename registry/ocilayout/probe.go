package ocilayout

import (
	"cmp"
	"context"
	"errors"
	"io/fs"
	"os"

	"github.com/modferry/modferry/registry"
)

// ProbePush implements registry.Prober: it writes a file where a push would, and removes it.
func (l *layout) ProbePush(ctx context.Context, repo string) (left bool, err error) {
	is, err := isLayout(l.dir)
	if err == nil && !is {
		err = registry.ErrNoLayout
	}
	for _, dir := range []string{".", tmpDir, blobsDir} {
		if err == nil {
			err = cmp.Or(ctx.Err(), probe(l.path(dir)))
		}
		if dir != "." && errors.Is(err, fs.ErrNotExist) { // another tool has made the layout: a push makes it
			err = nil
		}
	}
	return false, l.fail("writing to", repo, "", err)
}

// probeSize is enough for a file not to fit into what a full disk has left of a block.
const probeSize = 64 << 10

func probe(dir string) error {
	f, err := os.CreateTemp(dir, ".probe-*")
	if err != nil {
		return err
	}
	_, err = f.Write(make([]byte, probeSize))
	return errors.Join(err, f.Sync(), f.Close(), os.Remove(f.Name()))
}
