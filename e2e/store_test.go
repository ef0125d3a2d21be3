package e2e

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"strings"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"github.com/rogpeppe/go-internal/testscript"

	"github.com/modferry/modferry/artifact"
	"github.com/modferry/modferry/artifact/sign"
	"github.com/modferry/modferry/registry"
	"github.com/modferry/modferry/registry/remote"
	"github.com/modferry/modferry/registry/stores"
)

// vault is a store as somebody with push rights uses it, past modferry's rules.
type vault struct {
	ts *testscript.TestScript
	*registry.Store
}

// openVault opens a store from inside the test. The caller closes it.
func openVault(ts *testscript.TestScript, ref string) *vault {
	o := remote.ClientOptions{}
	if ts.Getenv("DOCKER_CONFIG") != "" {
		o.Transport = withPassword{}
	}
	client, err := remote.NewClient(o)
	ts.Check(err)
	store, err := stores.Open(client, ref)
	ts.Check(err)
	return &vault{ts, store}
}

// withPassword sends the password of the registry that wants one.
type withPassword struct{}

func (withPassword) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.SetBasicAuth(robot, robotPassword)
	return http.DefaultTransport.RoundTrip(r)
}

func (v *vault) ctx() context.Context { return context.Background() }

func (v *vault) close() { v.ts.Check(v.Close()) }

// blob reads a blob whole.
func (v *vault) blob(repo string, d ocispec.Descriptor) []byte {
	r, err := v.Blob(v.ctx(), repo, d)
	v.ts.Check(err)
	defer r.Close()
	data, err := io.ReadAll(r)
	v.ts.Check(err)
	return data
}

// push puts blobs and a manifest under a tag, whatever was there, signed with the key in a file.
func (v *vault) push(repo, tag, key string, d ocispec.Descriptor, raw []byte, blobs []artifact.Blob) {
	signer, err := sign.LoadSigner(v.ts.MkAbs(key), func() ([]byte, error) { return []byte(v.ts.Getenv("COSIGN_PASSWORD")), nil })
	v.ts.Check(err)
	signature, err := signer.Sign(v.ctx(), d.Digest, v.Reference(repo, ""))
	v.ts.Check(err)
	image, err := sign.Append(nil, signature)
	v.ts.Check(err)
	for _, b := range append(append([]artifact.Blob{}, blobs...), image.Blobs...) {
		v.ts.Check(v.PushBlob(v.ctx(), repo, b))
	}
	v.ts.Check(v.PushManifest(v.ctx(), repo, image.Descriptor, image.Raw, sign.Tag(d.Digest)))
	v.ts.Check(v.PushManifest(v.ctx(), repo, d, raw, tag))
}

// replicate FROM TO REPOSITORY[:TAG]… copies repositories of a store, or single tags with their signatures, into
// another store, as a registry's replication does.
func cmdReplicate(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) < 3 || neg {
		ts.Fatalf("usage: replicate FROM TO REPOSITORY[:TAG]…")
	}
	from, to := openVault(ts, args[0]), openVault(ts, args[1])
	defer from.close()
	defer to.close()
	for _, arg := range args[2:] {
		repo, tag, single := strings.Cut(arg, ":")
		if single {
			d, _, err := from.Manifest(from.ctx(), repo, tag)
			ts.Check(err)
			from.copyTag(to, repo, sign.Tag(d.Digest))
			from.copyTag(to, repo, tag)
			continue
		}
		for tag, err := range from.Tags(from.ctx(), repo) {
			ts.Check(err)
			from.copyTag(to, repo, tag)
		}
	}
}

func (v *vault) copyTag(to *vault, repo, tag string) {
	d, raw, err := v.Manifest(v.ctx(), repo, tag)
	v.ts.Check(err)
	m := parseImage(v.ts, raw)
	for _, b := range append([]ocispec.Descriptor{m.Config}, m.Layers...) {
		v.ts.Check(to.PushBlob(v.ctx(), repo, artifact.NewBlob(b.MediaType, v.blob(repo, b))))
	}
	v.ts.Check(to.PushManifest(v.ctx(), repo, d, raw, tag))
}

// withBlob makes a descriptor one of another content.
func withBlob(d *ocispec.Descriptor, data []byte) artifact.Blob {
	b := artifact.NewBlob(d.MediaType, data)
	d.Digest, d.Size = b.Descriptor.Digest, b.Descriptor.Size
	if d.Data != nil {
		d.Data = bytes.Clone(data)
	}
	return b
}

// describe returns the descriptor of a manifest.
func describe(raw []byte) ocispec.Descriptor {
	return ocispec.Descriptor{MediaType: ocispec.MediaTypeImageManifest, Digest: digest.FromBytes(raw), Size: int64(len(raw))}
}
