package ocilayout

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"oras.land/oras-go/v2/content"

	"github.com/modferry/modferry/artifact"
	"github.com/modferry/modferry/registry"
)

func (l *layout) PushBlob(ctx context.Context, repo string, b artifact.Blob) error {
	err := l.prepare(ctx)
	if err == nil {
		err = l.putBlob(ctx, b)
	}
	return l.fail("pushing blob", repo, string(b.Descriptor.Digest), err)
}

func (l *layout) PushManifest(ctx context.Context, repo string, d ocispec.Descriptor, raw []byte, tag string) error {
	return l.push(ctx, repo, d, raw, tag, false)
}

func (l *layout) CreateTag(ctx context.Context, repo string, d ocispec.Descriptor, raw []byte, tag string, _ bool) error {
	return l.push(ctx, repo, d, raw, tag, true)
}

// push stores a manifest and, unless tag is empty, moves the tag to it or creates it.
func (l *layout) push(ctx context.Context, repo string, d ocispec.Descriptor, raw []byte, tag string, create bool) error {
	ref := cmp.Or(tag, string(d.Digest))
	err := checkRef(repo, ref)
	if err == nil {
		err = l.prepare(ctx)
	}
	if err == nil {
		err = l.putManifest(ctx, d, raw)
	}
	if subject, referrer := registry.Referrer(d, raw); err == nil && subject != nil {
		err = l.listReferrer(ctx, repo, subject.Digest, referrer)
	}
	if err == nil && tag != "" {
		err = l.putTag(ctx, repo, tag, d, create)
	}
	return l.fail("pushing manifest", repo, ref, err)
}

// putBlob stores a blob unless it is there, which is not taken on trust: the push of a damaged blob mends it.
func (l *layout) putBlob(ctx context.Context, b artifact.Blob) error {
	d := b.Descriptor
	if err := cmp.Or(ctx.Err(), d.Digest.Validate()); err != nil {
		return err
	}
	if d.Digest.Algorithm() != digest.SHA256 {
		return fmt.Errorf("digest %s: %w", d.Digest, registry.ErrUnsupported)
	}
	if l.intact(ctx, d) {
		return nil
	}
	r, err := b.Open()
	if err != nil {
		return err
	}
	defer r.Close()
	return l.replaceFile(l.blobPath(d.Digest), 0o444, func(w io.Writer) error {
		return copyVerified(w, r, d)
	})
}

// intact reports whether the layout has d's content.
func (l *layout) intact(ctx context.Context, d ocispec.Descriptor) bool {
	return l.CheckBlob(ctx, "", d) == nil
}

func copyVerified(w io.Writer, r io.Reader, d ocispec.Descriptor) error {
	vr := content.NewVerifyReader(r, d)
	buf := make([]byte, min(d.Size+1, 64<<10)) // most blobs are small, and io.Copy takes 32 KiB for each
	if _, err := io.CopyBuffer(struct{ io.Writer }{w}, vr, buf); err != nil {
		return corrupt(err)
	}
	return corrupt(vr.Verify())
}

// putManifest stores a manifest whose blobs are all there, as a registry does.
func (l *layout) putManifest(ctx context.Context, d ocispec.Descriptor, raw []byte) error {
	if len(raw) > artifact.MaxManifest {
		return fmt.Errorf("manifest of %d bytes: %w", len(raw), artifact.ErrLimit)
	}
	b := artifact.NewBlob(d.MediaType, raw)
	if b.Descriptor.Digest != d.Digest || b.Descriptor.Size != d.Size {
		return fmt.Errorf("%w: the manifest is %s, not %s", artifact.ErrCorrupt, b.Descriptor.Digest, d.Digest)
	}
	if err := l.checkLinks(raw); err != nil {
		return err
	}
	return l.putBlob(ctx, b)
}

// checkLinks is an error unless all that a manifest lists is there.
func (l *layout) checkLinks(raw []byte) error {
	m, err := parseLinks(raw)
	if err != nil {
		return err
	}
	for _, link := range m.all() {
		switch err := l.checkBlob(link); {
		case len(link.URLs) > 0: // may live elsewhere
		case errors.Is(err, fs.ErrNotExist):
			return fmt.Errorf("the manifest lists a blob that was not pushed: %s", link.Digest)
		case err != nil:
			return err
		}
	}
	return nil
}

// links is what an image manifest or an index refers to.
type links struct {
	MediaType string               `json:"mediaType"`
	Config    *ocispec.Descriptor  `json:"config"`
	Layers    []ocispec.Descriptor `json:"layers"`
	Manifests []ocispec.Descriptor `json:"manifests"`
}

func parseLinks(raw []byte) (m links, err error) {
	if err := json.Unmarshal(raw, &m); err != nil {
		return m, fmt.Errorf("%w: the manifest is no JSON object: %w", artifact.ErrCorrupt, err)
	}
	return m, nil
}

func (m links) all() []ocispec.Descriptor {
	all := append(m.Layers, m.Manifests...)
	if m.Config != nil {
		all = append(all, *m.Config)
	}
	return all
}

// manifestType returns a manifest's media type, "" if raw is none. The member is optional in the image specification.
func manifestType(raw []byte) string {
	switch m, err := parseLinks(raw); {
	case err != nil:
		return ""
	case m.MediaType != "":
		return m.MediaType
	case m.Config != nil:
		return ocispec.MediaTypeImageManifest
	case m.Manifests != nil:
		return ocispec.MediaTypeImageIndex
	}
	return ""
}
