package mirror

import (
	"context"
	"errors"
	"fmt"
	"os"

	"golang.org/x/mod/modfile"
	"golang.org/x/mod/module"
	"golang.org/x/sync/errgroup"

	"github.com/modferry/modferry/artifact"
	"github.com/modferry/modferry/artifact/goproxy"
	"github.com/modferry/modferry/registry/upstream"
)

// download is a version as upstream sent it, unchecked.
type download struct{ files artifact.Files }

// fetch gets everything that concerns a version, at the same time.
func (r *runner) fetch(ctx context.Context, m module.Version, modOnly bool) (*download, error) {
	c := &download{files: artifact.Files{Module: m}}
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() (err error) {
		c.files.Info, err = r.Upstream.Info(ctx, m)
		if goproxy.IsToolchain(m) && errors.Is(err, upstream.ErrNotFound) {
			c.files.Info, err = upstream.MadeUpInfo(m), nil
		}
		return err
	})
	group.Go(func() (err error) {
		c.files.GoMod, err = r.Upstream.GoMod(ctx, m)
		if goproxy.IsToolchain(m) && errors.Is(err, upstream.ErrNotFound) {
			c.files.GoMod, err = goproxy.GoMod(goproxy.ToolchainPath), nil
		}
		return err
	})
	if !modOnly {
		group.Go(func() (err error) {
			c.files.ZipFile, err = r.fetchZip(ctx, m)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		c.remove()
		return nil, err
	}
	return c, nil
}

// fetchZip streams a zip into a file.
func (r *runner) fetchZip(ctx context.Context, m module.Version) (string, error) {
	f, err := os.CreateTemp(r.temp, "*.zip")
	if err != nil {
		return "", fmt.Errorf("fetching the zip of %s: %w", m, err)
	}
	err = r.Upstream.Zip(ctx, m, f)
	if err = errors.Join(err, f.Close()); err != nil {
		return "", errors.Join(err, os.Remove(f.Name()))
	}
	return f.Name(), nil
}

// build checks the files and makes an artifact of them, whose blobs read the zip.
func (c *download) build() (*artifact.Artifact, error) {
	if modfile.ModulePath(c.files.GoMod) == "" {
		// A web page would pass as a go.mod file of unknown statements.
		return nil, fmt.Errorf("packaging %s: %w: the go.mod file has no module line: upstream sent it so, nothing was published",
			c.files.Module, artifact.ErrCorrupt)
	}
	a, err := artifact.Build(c.files)
	if errors.Is(err, artifact.ErrCorrupt) || errors.Is(err, artifact.ErrLimit) {
		return nil, fmt.Errorf("%w: upstream sent it so, nothing was published", err)
	}
	return a, err
}

// remove deletes the zip.
func (c *download) remove() {
	if c.files.ZipFile != "" {
		_ = os.Remove(c.files.ZipFile) // its directory will be removed anyway
	}
}
