package load

import (
	"context"
	"errors"
	"iter"
	"net/http"
	"slices"
	"strings"
	"sync"

	"cuelabs.dev/go/oci/ociregistry"
	"cuelabs.dev/go/oci/ociregistry/ocimem"
	"cuelabs.dev/go/oci/ociregistry/ociserver"
	lru "github.com/hashicorp/golang-lru/v2"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/modferry/modferry/artifact"
	"github.com/modferry/modferry/artifact/sign"
)

// A Registry is an OCI registry that has the versions of a world, signed, in one namespace. It makes them up when they are
// asked for; what is pushed, such as snapshot and index, it keeps in memory.
type Registry struct {
	ociregistry.Interface // what was pushed

	world     *World
	namespace string // with a slash
	signer    *sign.Signer
	made      *lru.Cache[int, *made]
	handler   http.Handler

	mu     sync.Mutex
	counts map[string]int
	parts  map[string]int // digests and names of signatures of versions that were made, and of which
}

// made is a version as it is in the registry.
type made struct {
	repo             string // below the namespace
	manifest, signed ocispec.Descriptor
	raw, signature   []byte // manifests
	blobs            map[digest.Digest][]byte
	signatureName    string
}

// keptVersions is how many versions are kept of those that were made, some 30 kB each.
const keptVersions = 2000

// NewRegistry returns the registry of a world.
func NewRegistry(w *World, namespace string, signer *sign.Signer) (*Registry, error) {
	kept, err := lru.New[int, *made](keptVersions)
	if err != nil {
		return nil, err
	}
	r := &Registry{Interface: ocimem.New(), world: w, namespace: namespace + "/", signer: signer, made: kept}
	r.counts, r.parts = make(map[string]int), make(map[string]int)
	r.handler = ociserver.New(r, &ociserver.Options{DisableReferrersAPI: true})
	return r, nil
}

// module returns which module a repository is of.
func (r *Registry) module(repo string) (m int, ok bool) {
	name, ok := strings.CutPrefix(repo, r.namespace)
	if !ok {
		return 0, false
	}
	return r.world.parsePath(name) // which encodes as itself
}

// version makes the i-th version.
func (r *Registry) version(ctx context.Context, i int) (*made, error) {
	if v, ok := r.made.Get(i); ok {
		return v, nil
	}
	a, layer, err := r.world.Artifact(i)
	if err != nil {
		return nil, err
	}
	v := &made{repo: r.world.Version(i).Path, raw: a.Raw, manifest: a.Descriptor, blobs: make(map[digest.Digest][]byte)}
	sig, err := r.signer.Sign(ctx, a.Descriptor.Digest, "registry.example/"+r.namespace+v.repo)
	if err != nil {
		return nil, err
	}
	image, err := sign.Append(nil, sig)
	if err != nil {
		return nil, err
	}
	v.signed, v.signature, v.signatureName = image.Descriptor, image.Raw, sign.Tag(a.Descriptor.Digest)
	if layer != nil {
		v.blobs[a.Manifest.Zip.Digest] = layer
	}
	for _, b := range slices.Concat(a.Blobs, image.Blobs) {
		if a.Manifest.Zip != nil && b.Descriptor.Digest == a.Manifest.Zip.Digest {
			continue
		}
		if v.blobs[b.Descriptor.Digest], err = read(b); err != nil {
			return nil, err
		}
	}
	r.made.Add(i, v)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.parts[v.signatureName], r.parts[string(v.manifest.Digest)], r.parts[string(v.signed.Digest)] = i, i, i
	for d := range v.blobs {
		r.parts[string(d)] = i
	}
	return v, nil
}

func tagOf(version string, modOnly bool) (string, error) {
	if modOnly {
		return artifact.ModTag(version)
	}
	return artifact.Tag(version)
}

// find returns the version of a module that a digest, or the name of a signature, is a part of; nil if it is of none.
func (r *Registry) find(ctx context.Context, m int, part string) (*made, error) {
	from, to := r.world.versions(m)
	if i, ok := r.hasPart(part); ok && from <= i && i < to {
		return r.version(ctx, i)
	}
	for i := from; i < to; i++ {
		v, err := r.version(ctx, i)
		if err != nil {
			return nil, err
		}
		if of, ok := r.hasPart(part); ok && of == i {
			return v, nil
		}
	}
	return nil, nil
}

// hasPart returns which version that was made has a part.
func (r *Registry) hasPart(part string) (i int, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	i, ok = r.parts[part]
	return i, ok
}

// GetTag implements ociregistry.Reader.
func (r *Registry) GetTag(ctx context.Context, repo, tag string) (ociregistry.BlobReader, error) {
	m, ok := r.module(repo)
	if !ok {
		return r.Interface.GetTag(ctx, repo, tag)
	}
	signature := strings.HasSuffix(tag, ".sig")
	if !signature { // which version it is, its tag says
		for i, to := r.world.versions(m); i < to; i++ {
			if name, err := tagOf(r.world.Version(i).Version, ModOnly(i)); err == nil && name == tag {
				v, err := r.version(ctx, i)
				if err != nil {
					return nil, err
				}
				return reader(v.raw, v.manifest), nil
			}
		}
		return nil, ociregistry.ErrManifestUnknown
	}
	v, err := r.find(ctx, m, tag)
	if err != nil {
		return nil, err
	}
	if v == nil {
		return nil, ociregistry.ErrManifestUnknown
	}
	return reader(v.signature, v.signed), nil
}

// GetManifest implements ociregistry.Reader.
func (r *Registry) GetManifest(ctx context.Context, repo string, d ociregistry.Digest) (ociregistry.BlobReader, error) {
	m, ok := r.module(repo)
	if !ok {
		return r.Interface.GetManifest(ctx, repo, d)
	}
	v, err := r.find(ctx, m, string(d))
	switch {
	case err != nil:
		return nil, err
	case v != nil && v.manifest.Digest == d:
		return reader(v.raw, v.manifest), nil
	case v != nil && v.signed.Digest == d:
		return reader(v.signature, v.signed), nil
	}
	return nil, ociregistry.ErrManifestUnknown
}

// GetBlob implements ociregistry.Reader.
func (r *Registry) GetBlob(ctx context.Context, repo string, d ociregistry.Digest) (ociregistry.BlobReader, error) {
	m, ok := r.module(repo)
	if !ok {
		return r.Interface.GetBlob(ctx, repo, d)
	}
	v, err := r.find(ctx, m, string(d))
	if err != nil {
		return nil, err
	}
	if v == nil || v.blobs[d] == nil {
		return nil, ociregistry.ErrBlobUnknown
	}
	return reader(v.blobs[d], ocispec.Descriptor{MediaType: "application/octet-stream", Digest: d, Size: int64(len(v.blobs[d]))}), nil
}

func reader(data []byte, d ocispec.Descriptor) ociregistry.BlobReader {
	return ocimem.NewBytesReader(data, d)
}

// resolved returns the descriptor of what a reader is of.
func resolved(b ociregistry.BlobReader, err error) (ociregistry.Descriptor, error) {
	if err != nil {
		return ociregistry.Descriptor{}, err
	}
	return b.Descriptor(), b.Close()
}

// ResolveTag implements ociregistry.Reader.
func (r *Registry) ResolveTag(ctx context.Context, repo, tag string) (ociregistry.Descriptor, error) {
	return resolved(r.GetTag(ctx, repo, tag))
}

// ResolveManifest implements ociregistry.Reader.
func (r *Registry) ResolveManifest(ctx context.Context, repo string, d ociregistry.Digest) (ociregistry.Descriptor, error) {
	return resolved(r.GetManifest(ctx, repo, d))
}

// ResolveBlob implements ociregistry.Reader.
func (r *Registry) ResolveBlob(ctx context.Context, repo string, d ociregistry.Digest) (ociregistry.Descriptor, error) {
	return resolved(r.GetBlob(ctx, repo, d))
}

// Tags implements ociregistry.Lister. As everywhere, there is a tag for each signature, too; here by a digest that nothing
// has, as finding out the right ones would be to make all versions.
func (r *Registry) Tags(ctx context.Context, repo, after string) iter.Seq2[string, error] {
	m, ok := r.module(repo)
	if !ok {
		return r.Interface.Tags(ctx, repo, after)
	}
	var tags []string
	var faults []error
	for i, to := r.world.versions(m); i < to; i++ {
		tag, err := tagOf(r.world.Version(i).Version, ModOnly(i))
		tags, faults = append(tags, tag, sign.Tag(digest.FromString(tag))), append(faults, err)
	}
	return following(tags, after, errors.Join(faults...))
}

// Repositories implements ociregistry.Lister.
func (r *Registry) Repositories(ctx context.Context, after string) iter.Seq2[string, error] {
	var names []string
	var faults []error
	for name, err := range r.Interface.Repositories(ctx, "") {
		names, faults = append(names, name), append(faults, err)
	}
	for m := range r.world.Modules() {
		names = append(names, r.namespace+r.world.Path(m))
	}
	return following(names, after, errors.Join(faults...))
}

// following lists names in their order, from behind one.
func following(names []string, after string, err error) iter.Seq2[string, error] {
	slices.Sort(names)
	start, found := slices.BinarySearch(names, after)
	if found {
		start++
	}
	return func(yield func(string, error) bool) {
		if err != nil {
			yield("", err)
			return
		}
		for _, name := range names[start:] {
			if !yield(name, nil) {
				return
			}
		}
	}
}
