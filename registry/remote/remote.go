package remote

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"strings"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	oras "oras.land/oras-go/v2/registry"
	orasremote "oras.land/oras-go/v2/registry/remote"
	"oras.land/oras-go/v2/registry/remote/auth"

	"github.com/modferry/modferry/artifact"
	"github.com/modferry/modferry/registry"
	"github.com/modferry/modferry/registry/httpclient"
)

// acceptManifests are the manifest types asked for. Indexes and Docker's are
// among them so that a tag that holds one is seen as what it is and not as absent.
var acceptManifests = strings.Join([]string{
	ocispec.MediaTypeImageManifest,
	ocispec.MediaTypeImageIndex,
	"application/vnd.docker.distribution.manifest.v2+json",
	"application/vnd.docker.distribution.manifest.list.v2+json",
}, ", ")

// remote is a store in a namespace of an OCI registry.
type remote struct {
	c         *Client
	http      storeClient
	at        location
	absence   absence
	referrers referrers
}

// Close does nothing: connections are the client's.
func (r *remote) Close() error { return nil }

func (r *remote) name(repo string) string {
	switch {
	case r.at.namespace == "":
		return repo
	case repo == "":
		return r.at.namespace
	default:
		return r.at.namespace + "/" + repo
	}
}

// Reference implements registry.Backend.
func (r *remote) Reference(repo, ref string) string {
	e := registry.Error{Registry: r.at.host, Repository: r.name(repo), Reference: ref}
	return e.Where()
}

// SignedName returns host[:port]/repository.
func (r *remote) SignedName(repo string) string { return r.Reference(repo, "") }

// repository returns oras-go's client of one repository, after a check of the repository's name and of ref.
func (r *remote) repository(repo, ref string) (*orasremote.Repository, error) {
	reference := oras.Reference{Registry: r.at.host, Repository: r.name(repo), Reference: ref}
	if err := checkReference(reference); err != nil {
		return nil, err
	}
	o := &orasremote.Repository{
		Client:               r.http,
		Reference:            oras.Reference{Registry: r.at.host, Repository: r.name(repo)},
		PlainHTTP:            r.at.plain,
		TagListPageSize:      pageSize,
		TagListMaxPages:      maxPages,
		ReferrerListMaxPages: maxReferrerPages,
		SkipReferrersGC:      true,
	}
	// So oras-go leaves it to us to keep lists of referrers where a registry does not.
	return o, o.SetReferrersCapability(true)
}

// fail says what was being done, and gives an error of oras-go or of reading a body its meaning. After checkedClient
// these are of three kinds: the context ended, the answer broke off, or it contradicts itself.
func (r *remote) fail(ctx context.Context, op, repo, ref string, err error) error {
	if err == nil {
		return nil
	}
	var e *registry.Error
	var network net.Error
	switch {
	case errors.Is(err, registry.ErrReference), errors.Is(err, errContent):
		return err
	case errors.As(err, &e):
	case ctx.Err() != nil:
		e = &registry.Error{Err: context.Cause(ctx)}
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, httpclient.ErrStalled), errors.As(err, &network):
		e = networkError(err)
	case errors.Is(err, registry.ErrCorrupt), errors.Is(err, artifact.ErrLimit), errors.Is(err, registry.ErrTagExists):
		e = &registry.Error{Err: err}
	default:
		e = &registry.Error{Err: fmt.Errorf("%w: the registry's answer contradicts itself: %w", registry.ErrCorrupt, err)}
	}
	full := *e
	full.Op, full.Registry, full.Repository, full.Reference = op, r.at.host, r.name(repo), ref
	return &full
}

// do runs an operation with retries and gives its error a name.
func (r *remote) do(ctx context.Context, op, repo, ref string, f func(*orasremote.Repository) error) error {
	repository, err := r.repository(repo, ref)
	if err != nil {
		return r.fail(ctx, op, repo, ref, err)
	}
	return r.c.retry(ctx, func() error {
		return r.fail(ctx, op, repo, ref, f(repository))
	})
}

// get asks for a manifest or a blob. oras-go's fetching methods would do this too, but with errors of no type for
// wrong sizes and digests, and with a second request for an answer without Content-Length.
func (r *remote) get(ctx context.Context, o *orasremote.Repository, kind, ref, accept string) (*http.Response, error) {
	ctx = auth.AppendRepositoryScope(ctx, o.Reference, auth.ActionPull)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, endpoint(o, kind+"/"+ref), nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Accept", accept)
	resp, err := o.Client.Do(req)
	if err == nil && resp.StatusCode != http.StatusOK {
		resp.Body.Close()
		return nil, &registry.Error{Status: resp.StatusCode, Err: errUnexpected}
	}
	return resp, err
}

// endpoint returns the URL of something in a repository.
func endpoint(o *orasremote.Repository, path string) string {
	scheme := "https"
	if o.PlainHTTP {
		scheme = "http"
	}
	return fmt.Sprintf("%s://%s/v2/%s/%s", scheme, o.Reference.Host(), o.Reference.Repository, path)
}

// Manifest implements registry.Reader.
func (r *remote) Manifest(ctx context.Context, repo, ref string) (ocispec.Descriptor, []byte, error) {
	_, d, raw, err := r.FirstManifest(ctx, repo, ref)
	return d, raw, err
}

// FirstManifest confirms absence once, when none of the references is found.
func (r *remote) FirstManifest(ctx context.Context, repo string, refs ...string) (ref string, d ocispec.Descriptor, raw []byte, err error) {
	const op = "reading manifest"
	var absent error // the first reference
	for _, ref := range refs {
		err := r.do(ctx, op, repo, ref, func(o *orasremote.Repository) (err error) {
			d, raw, err = r.fetchManifest(ctx, o, ref)
			return err
		})
		if !errors.Is(err, registry.ErrNotFound) {
			return ref, d, raw, err
		}
		absent = cmp.Or(absent, err)
	}
	if !strings.Contains(refs[0], ":") {
		absent = cmp.Or(r.confirmAbsence(ctx, op, repo, refs[0], 0), absent)
	}
	return "", ocispec.Descriptor{}, nil, absent
}

// Resolve asks with HEAD. Whoever does not answer that as the specification says is asked for the manifest; so is who
// refuses, because the reason is in an answer's body.
func (r *remote) Resolve(ctx context.Context, repo, ref string) (ocispec.Descriptor, error) {
	var d ocispec.Descriptor
	err := r.do(ctx, "resolving", repo, ref, func(o *orasremote.Repository) (err error) {
		d, err = o.Manifests().Resolve(ctx, ref)
		return err
	})
	if err != nil && ctx.Err() == nil && !errors.Is(err, registry.ErrUnavailable) {
		d, _, err = r.Manifest(ctx, repo, ref)
	}
	return d, err
}

// fetchManifest is manifest in one attempt.
func (r *remote) fetchManifest(ctx context.Context, o *orasremote.Repository, ref string) (ocispec.Descriptor, []byte, error) {
	resp, err := r.get(ctx, o, "manifests", ref, acceptManifests)
	if err != nil {
		return ocispec.Descriptor{}, nil, err
	}
	defer resp.Body.Close()
	return readManifest(resp, ref)
}

// readManifest reads an answer and checks it against the digest asked for and the one the registry states.
func readManifest(resp *http.Response, ref string) (ocispec.Descriptor, []byte, error) {
	if resp.ContentLength > artifact.MaxManifest {
		return ocispec.Descriptor{}, nil, fmt.Errorf("%w: the manifest has %d bytes", artifact.ErrLimit, resp.ContentLength)
	}
	buf := bytes.NewBuffer(make([]byte, 0, max(resp.ContentLength, 0)+bytes.MinRead))
	if _, err := buf.ReadFrom(io.LimitReader(resp.Body, artifact.MaxManifest+1)); err != nil {
		return ocispec.Descriptor{}, nil, err
	}
	raw := buf.Bytes()
	if len(raw) > artifact.MaxManifest {
		return ocispec.Descriptor{}, nil, fmt.Errorf("%w: the manifest has more than %d bytes", artifact.ErrLimit, artifact.MaxManifest)
	}
	d := ocispec.Descriptor{Digest: digest.FromBytes(raw), Size: int64(len(raw))}
	for _, want := range []string{ref, resp.Header.Get("Docker-Content-Digest")} {
		if strings.HasPrefix(want, "sha256:") && want != d.Digest.String() {
			return ocispec.Descriptor{}, nil, fmt.Errorf("%w: manifest %s came as %s", registry.ErrCorrupt, want, d.Digest)
		}
	}
	var err error
	if d.MediaType, _, err = mime.ParseMediaType(resp.Header.Get("Content-Type")); err != nil {
		d.MediaType = "" // the manifest itself says what it is
	}
	return d, raw, nil
}

// Blob implements registry.Reader.
func (r *remote) Blob(ctx context.Context, repo string, d ocispec.Descriptor) (io.ReadCloser, error) {
	const op = "reading blob"
	ref := d.Digest.String()
	var resp *http.Response
	err := r.do(ctx, op, repo, ref, func(o *orasremote.Repository) (err error) {
		resp, err = r.get(ctx, o, "blobs", ref, "*/*")
		if err != nil {
			return err
		}
		if n := resp.ContentLength; n >= 0 && n != d.Size {
			resp.Body.Close()
			return fmt.Errorf("%w: the blob has %d bytes there, not %d", registry.ErrCorrupt, n, d.Size)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &blobBody{ReadCloser: resp.Body, fail: func(err error) error { return r.fail(ctx, op, repo, ref, err) }}, nil
}

// CheckBlob asks with HEAD, whose answer has no body that could say why something is absent.
func (r *remote) CheckBlob(ctx context.Context, repo string, d ocispec.Descriptor) error {
	return r.do(ctx, "checking blob", repo, d.Digest.String(), func(o *orasremote.Repository) error {
		found, err := o.Blobs().Resolve(ctx, d.Digest.String())
		var e *registry.Error
		switch {
		case errors.As(err, &e) && e.Status == http.StatusNotFound:
			absent := *e
			absent.Err, absent.Hint = registry.ErrNotFound, ""
			return &absent
		case err == nil && found.Size != d.Size:
			return fmt.Errorf("%w: the blob has %d bytes there, not %d", registry.ErrCorrupt, found.Size, d.Size)
		}
		return err
	})
}

// blobBody names what was being read when an answer breaks off.
type blobBody struct {
	io.ReadCloser
	fail func(error) error
}

func (b *blobBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if err != nil && err != io.EOF {
		err = b.fail(err)
	}
	return n, err
}
