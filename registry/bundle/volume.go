package bundle

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"slices"
	"sync"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/mod/module"

	"github.com/modferry/modferry/artifact/sign"
	"github.com/modferry/modferry/registry"
	"github.com/modferry/modferry/registry/transfer"
)

// Options says how a volume is opened. The zero value will do for one that is complete in itself.
type Options struct {
	// Base is where blobs are read that the volume leaves out because the other side has them; nil = they are an error.
	Base registry.Reader
	// PartsDir has the parts of files that are cut, from other volumes; see [Volume.KeepParts]. "" = there are none.
	PartsDir string
	// TempDir is where a pipe is kept as far as items that were not released need it; "" = the system's.
	TempDir string
}

// A Volume is an open volume of a bundle. It is a [registry.Backend] that takes nothing: what it has are the items of
// the volume, and its own image in [Repository]. Every manifest is checked before it is returned, and a blob while it
// is read by way of a [registry.Store]. What is damaged is registry.ErrCorrupt; the rest is of use.
//
// A volume that is read from a pipe gives what its items need in the order of [Volume.Items]. What is asked for lies
// ahead, or is kept; what was released is gone.
type Volume struct {
	opening
	name string
	o    Options
	from source

	short int64 // bytes that are missing at the end of a tar

	manifests map[[2]string]*Manifest // by repository and tag, and by repository and digest
	tags      map[string][]string     // by repository
	blobs     map[Sum]*Blob           // that are cut or left out

	mu    sync.Mutex
	needs map[Sum]int // how many items that were not released need a file
}

// source is where a volume's files are.
type source interface {
	// open opens a file of an item.
	open(ctx context.Context, f File) (io.ReadCloser, error)
	// drop is told of a file that nobody needs any more.
	drop(f File)
	close() error
}

// newVolume indexes what the opening says.
func newVolume(name string, o Options, opened opening) *Volume {
	v := &Volume{
		opening: opened, name: name, o: o,
		manifests: make(map[[2]string]*Manifest), tags: make(map[string][]string),
		blobs: make(map[Sum]*Blob), needs: make(map[Sum]int),
	}
	v.add(Repository, &v.image)
	if v.signed != nil {
		v.add(Repository, v.signed)
	}
	for n := range v.lines.items {
		i := &v.lines.items[n]
		for m := range i.Manifests {
			v.add(i.Repository, &i.Manifests[m])
		}
		for b := range i.Blobs {
			if blob := &i.Blobs[b]; blob.Base || blob.Parts != nil {
				v.blobs[blob.Digest] = blob
			}
		}
		i.files(v.lines.Volume, func(f File) { v.needs[f.Digest]++ })
	}
	for _, tags := range v.tags {
		slices.Sort(tags)
	}
	return v
}

func (v *Volume) add(repo string, m *Manifest) {
	v.manifests[[2]string{repo, m.Digest.String()}] = m
	key := [2]string{repo, m.Tag}
	if _, there := v.manifests[key]; !there && m.Tag != "" {
		v.manifests[key] = m
		v.tags[repo] = append(v.tags[repo], m.Tag)
	}
}

// Items returns the items of the volume in the order of their bytes.
func (v *Volume) Items() []transfer.Item {
	items := make([]transfer.Item, len(v.lines.items))
	for n := range v.lines.items {
		i := &v.lines.items[n]
		items[n] = transfer.Item{Repository: i.Repository, Tag: i.Tag(), Descriptor: i.Manifests[0].Descriptor()}
	}
	return items
}

// Verify has the signatures of the volume's image verified, which has the digest of every file. It returns the names of
// the keys that vouch for it. Errors are those of v: sign.ErrUnsigned, sign.ErrUntrusted.
func (v *Volume) Verify(ctx context.Context, by sign.Verifier) (keys []string, err error) {
	d := v.image.Digest.Digest()
	sigs, err := registry.New(v).Signatures(ctx, Repository, d)
	if err != nil {
		return nil, err
	}
	keys, err = by.Verify(ctx, sign.Subject{Module: module.Version{Path: Repository}, Digest: d}, sigs)
	if err != nil {
		err = fmt.Errorf("%s: %w", v.name, err)
	}
	return keys, err
}

// Release says that nothing of an item, the nth of [Volume.Items], is needed any more. A pipe then keeps nothing for it.
func (v *Volume) Release(n int) {
	var free []File
	v.mu.Lock()
	v.lines.items[n].files(v.lines.Volume, func(f File) {
		if v.needs[f.Digest]--; v.needs[f.Digest] == 0 {
			free = append(free, f)
		}
	})
	v.mu.Unlock()
	for _, f := range free {
		v.from.drop(f)
	}
}

// Manifest returns a manifest of the volume, checked.
func (v *Volume) Manifest(ctx context.Context, repo, ref string) (d ocispec.Descriptor, raw []byte, err error) {
	m, ok := v.manifests[[2]string{repo, ref}]
	if !ok {
		return d, nil, v.fail("reading manifest", repo, ref, registry.ErrNotFound)
	}
	if raw, ok = v.small[m.Digest]; ok {
		return m.Descriptor(), raw, nil
	}
	r, err := v.from.open(ctx, m.File)
	if err == nil {
		defer r.Close()
		raw, err = readSmall(r, m.File)
	}
	return m.Descriptor(), raw, v.fail("reading manifest", repo, ref, err)
}

// Blob opens a blob of the volume.
func (v *Volume) Blob(ctx context.Context, repo string, d ocispec.Descriptor) (io.ReadCloser, error) {
	f, err := fileOf(d)
	var r io.ReadCloser
	if err == nil {
		r, err = v.open(ctx, repo, f, d)
	}
	return r, v.fail("reading blob", repo, string(d.Digest), err)
}

func (v *Volume) open(ctx context.Context, repo string, f File, d ocispec.Descriptor) (io.ReadCloser, error) {
	data, small := v.small[f.Digest]
	b := v.blobs[f.Digest]
	switch {
	case small:
		return io.NopCloser(bytes.NewReader(data)), nil
	case b == nil && !v.has(f):
		return nil, registry.ErrNotFound
	case b == nil || b.Base && v.has(f):
		return v.from.open(ctx, f)
	case b.Parts != nil:
		return v.join(ctx, b)
	case v.o.Base == nil:
		return nil, fmt.Errorf("%w: the bundle leaves it out, as the other side has it", registry.ErrNotFound)
	}
	return v.o.Base.Blob(ctx, repo, d)
}

// has reports whether a file is one of the volume's.
func (v *Volume) has(f File) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	_, ok := v.needs[f.Digest]
	return ok
}

// CheckBlob reads a blob.
func (v *Volume) CheckBlob(ctx context.Context, repo string, d ocispec.Descriptor) error {
	r, err := registry.New(v).Blob(ctx, repo, d)
	if err != nil {
		return err
	}
	defer r.Close()
	_, err = io.Copy(io.Discard, r)
	return err
}

// Reference returns the file or directory as the user named it, with repository and tag or digest.
func (v *Volume) Reference(repo, ref string) string {
	return (&registry.Error{Registry: "bundle:" + v.name, Repository: repo, Reference: ref}).Where()
}

// SignedName returns repo.
func (v *Volume) SignedName(repo string) string { return repo }

// Close lets the files go, and deletes what was kept of a pipe.
func (v *Volume) Close() error { return v.from.close() }

// fail says what was being done when err came, which may be nil.
func (v *Volume) fail(op, repo, ref string, err error) error {
	if err == nil {
		return nil
	}
	return &registry.Error{Op: op, Registry: "bundle:" + v.name, Repository: repo, Reference: ref, Err: err}
}

// needed reports whether an item that was not released needs a file.
func (v *Volume) needed(f File) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.needs[f.Digest] > 0
}
