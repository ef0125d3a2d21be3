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

// fetch gets everything that concerns a version, at the same time. The caller removes the zip, which is in temp.
func fetch(ctx context.Context, up *upstream.Upstream, temp string, m module.Version, modOnly bool) (artifact.Files, error) {
	files := artifact.Files{Module: m}
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() (err error) {
		files.Info, err = up.Info(ctx, m)
		if goproxy.IsToolchain(m) && errors.Is(err, upstream.ErrNotFound) {
			files.Info, err = upstream.MadeUpInfo(m), nil
		}
		return err
	})
	group.Go(func() (err error) {
		files.GoMod, err = up.GoMod(ctx, m)
		if goproxy.IsToolchain(m) && errors.Is(err, upstream.ErrNotFound) {
			files.GoMod, err = goproxy.GoMod(goproxy.ToolchainPath), nil
		}
		return err
	})
	if !modOnly {
		group.Go(func() (err error) {
			files.ZipFile, err = fetchZip(ctx, up, temp, m)
			return err
		})
	}
	err := group.Wait()
	if err != nil && files.ZipFile != "" {
		err = errors.Join(err, os.Remove(files.ZipFile))
	}
	return files, err
}

// fetchZip streams a zip into a file.
func fetchZip(ctx context.Context, up *upstream.Upstream, temp string, m module.Version) (string, error) {
	f, err := os.CreateTemp(temp, "*.zip")
	if err != nil {
		return "", fmt.Errorf("fetching the zip of %s: %w", m, err)
	}
	err = up.Zip(ctx, m, f)
	if err = errors.Join(err, f.Close()); err != nil {
		return "", errors.Join(err, os.Remove(f.Name()))
	}
	return f.Name(), nil
}

// build checks what upstream sent and makes an artifact of it, whose blobs read the zip.
func build(files artifact.Files) (*artifact.Artifact, error) {
	if modfile.ModulePath(files.GoMod) == "" {
		// A web page would pass as a go.mod file of unknown statements.
		return nil, fmt.Errorf("packaging %s: %w: the go.mod file has no module line: upstream sent it so, nothing was published",
			files.Module, artifact.ErrCorrupt)
	}
	a, err := artifact.Build(files)
	if errors.Is(err, artifact.ErrCorrupt) || errors.Is(err, artifact.ErrLimit) {
		return nil, fmt.Errorf("%w: upstream sent it so, nothing was published", err)
	}
	return a, err
}
