package e2e

import (
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sync/errgroup"

	"github.com/modferry/modferry/artifact"
	"github.com/modferry/modferry/artifact/sign"
	"github.com/modferry/modferry/registry"
)

// built is an artifact with its signature's image, ready to be pushed.
type built struct {
	repository string
	tag        string
	artifact   *artifact.Artifact
	signature  *artifact.Image
}

func (f *benchFerry) build(b *testing.B) []built {
	var all []built
	for _, it := range f.items {
		at := filepath.Join(f.tree, filepath.FromSlash(it.Module.Path), "@v", it.Module.Version)
		files := artifact.Files{Module: it.Module, Info: read(b, at+".info"), GoMod: read(b, at+".mod")}
		if !it.ModOnly {
			files.ZipFile = at + ".zip"
		}
		a, err := artifact.Build(files)
		if err != nil {
			b.Fatal(err)
		}
		p := built{artifact: a}
		if p.repository, err = artifact.Repository(it.Module.Path); err != nil {
			b.Fatal(err)
		}
		if p.tag, err = a.Manifest.Tag(); err != nil {
			b.Fatal(err)
		}
		s, err := f.signer.Sign(b.Context(), a.Descriptor.Digest, p.repository)
		if err != nil {
			b.Fatal(err)
		}
		if p.signature, err = sign.Append(nil, s); err != nil {
			b.Fatal(err)
		}
		all = append(all, p)
	}
	return all
}

// pushRaw pushes what mirror pushes, four versions at a time as mirror does, and checks nothing.
func (f *benchFerry) pushRaw(b *testing.B, store *registry.Store, all []built) {
	g, ctx := errgroup.WithContext(b.Context())
	g.SetLimit(4)
	for _, p := range all {
		g.Go(func() error {
			for _, blob := range append(append([]artifact.Blob{}, p.artifact.Blobs...), p.signature.Blobs...) {
				if err := store.PushBlob(ctx, p.repository, blob); err != nil {
					return err
				}
			}
			if err := store.PushManifest(ctx, p.repository, p.artifact.Descriptor, p.artifact.Raw, ""); err != nil {
				return err
			}
			tag := sign.Tag(p.artifact.Descriptor.Digest)
			if err := store.PushManifest(ctx, p.repository, p.signature.Descriptor, p.signature.Raw, tag); err != nil {
				return err
			}
			return store.PushManifest(ctx, p.repository, p.artifact.Descriptor, p.artifact.Raw, p.tag)
		})
	}
	if err := g.Wait(); err != nil {
		b.Fatal(err)
	}
}

func read(b *testing.B, name string) []byte {
	data, err := os.ReadFile(name)
	if err != nil {
		b.Fatal(err)
	}
	return data
}
