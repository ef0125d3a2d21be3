package load

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/modferry/modferry/artifact"
	"github.com/modferry/modferry/artifact/sign"
	"github.com/modferry/modferry/registry"
	"github.com/modferry/modferry/registry/bundle"
	"github.com/modferry/modferry/registry/ocilayout"
	"github.com/modferry/modferry/registry/transfer"
)

// Bounds of an archive, which may be anything.
const (
	maxEntries = 1_000_000
	maxIndex   = 64 << 20
	maxLayout  = 512 << 20 // of the index of a directory, as of any layout
)

// errArchive: a tar is no archive of an OCI image layout.
var errArchive = fmt.Errorf("this is neither a volume of a bundle nor an archive of an OCI image layout: %w", artifact.ErrCorrupt)

// Archives loads OCI image layouts that image tools wrote: directories (skopeo sync, oras backup) and tars of such
// (podman save --format oci-archive). Several are taken together, because some tools put an artifact and its signatures
// into one each. Broken says what could not be listed.
func (l *Loader) Archives(ctx context.Context, names []string) (broken []error, err error) {
	dir, done, err := l.gather(ctx, names)
	if err != nil {
		return nil, err
	}
	defer done()
	source, err := ocilayout.Open(dir)
	if err != nil {
		return nil, err
	}
	defer source.Close()
	s := transfer.Sync{
		Copier: &transfer.Copier{
			Source: source, Destination: l.Destination, Checker: l.Checker, Local: true, TempDir: l.TempDir, DryRun: l.DryRun,
		},
		Jobs: l.Jobs, Compare: true,
	}
	s.Report = func(e transfer.Event) {
		e.Err = explain(ctx, source, e)
		l.Report(e)
	}
	_, broken, err = s.Run(ctx)
	return broken, err
}

// explain adds to the error of a version without signatures why it may have none: its manifest is not the one that
// was signed.
func explain(ctx context.Context, source *registry.Store, e transfer.Event) error {
	if !errors.Is(e.Err, sign.ErrUnsigned) || e.Item.Kind() != transfer.Version {
		return e.Err
	}
	_, raw, err := source.Manifest(ctx, e.Item.Repository, e.Item.Tag)
	if err != nil {
		return e.Err
	}
	m, err := artifact.ParseManifest(raw)
	if err != nil {
		return e.Err
	}
	if _, inline, _ := m.InlineMeta(); inline || m.Meta.Size > artifact.MaxInlineMeta {
		return e.Err
	}
	return fmt.Errorf("%w; the tool that wrote it changed its manifest, and so its digest, which signatures are about: "+
		"it dropped what the manifest carries inside, as podman does. Use one that does not (skopeo, oras, crane, regctl), "+
		"or bundle create", e.Err)
}

// gather makes one layout of several. A single directory is used as it is.
func (l *Loader) gather(ctx context.Context, names []string) (dir string, done func(), err error) {
	if info, err := os.Stat(names[0]); len(names) == 1 && err == nil && info.IsDir() {
		return names[0], func() {}, nil
	}
	dir, err = os.MkdirTemp(l.TempDir, "modferry-load-*")
	if err != nil {
		return "", nil, fmt.Errorf("making room for what is in the archives: %w", err)
	}
	g := gathered{dir: dir}
	for _, name := range names {
		if err = g.add(ctx, name); err != nil {
			err = fmt.Errorf("%s: %w", name, err)
			break
		}
	}
	if err == nil {
		err = g.writeIndex()
	}
	if err != nil {
		return "", nil, errors.Join(err, os.RemoveAll(dir))
	}
	return dir, func() { os.RemoveAll(dir) }, nil
}

// IsBundle reports whether a directory or the file of a tar is a volume of a bundle, perhaps a damaged one. What begins
// otherwise than other tools' archives is taken for one.
func IsBundle(name string) bool {
	info, err := os.Stat(name)
	if err != nil || !info.IsDir() {
		return err != nil || tarIsBundle(name)
	}
	root, err := os.OpenRoot(name)
	if err != nil {
		return true
	}
	defer root.Close()
	data, err := readAll(root, ocispec.ImageIndexFile, maxLayout)
	return err != nil || bytes.Contains(data, []byte(`"`+bundle.Repository+":"+bundle.Tag+`"`))
}

// tarIsBundle looks for the name of a volume's own manifest in the index of a tar.
func tarIsBundle(name string) bool {
	f, err := os.Open(name)
	if err != nil {
		return true
	}
	defer f.Close()
	t := tar.NewReader(f)
	for range maxEntries {
		h, err := t.Next()
		if err != nil {
			return true
		}
		if strings.TrimPrefix(h.Name, "./") == ocispec.ImageIndexFile {
			data, err := artifact.ReadAll(t, h.Name, maxIndex)
			return err != nil || bytes.Contains(data, []byte(`"`+bundle.Repository+":"+bundle.Tag+`"`))
		}
	}
	return true
}
