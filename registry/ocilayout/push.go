package ocilayout

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"oras.land/oras-go/v2/content"

	"github.com/modferry/modferry/artifact"
	"github.com/modferry/modferry/registry"
)

// PushBlob implements registry.Writer.
func (l *layout) PushBlob(ctx context.Context, repo string, b artifact.Blob) error {
	err := l.prepare(ctx)
	if err == nil {
		err = l.putBlob(ctx, b, false)
	}
	return l.fail("pushing blob", repo, string(b.Descriptor.Digest), err)
}

// PushManifest implements registry.Writer.
func (l *layout) PushManifest(ctx context.Context, repo string, d ocispec.Descriptor, raw []byte, tag string) error {
	return l.push(ctx, repo, d, raw, tag, false)
}

// CreateTag implements registry.Writer: it looks under the lock, sure or not.
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
	var m links
	if err == nil {
		m, err = l.putManifest(ctx, d, raw, false)
	}
	if err == nil && m.Subject != nil {
		err = l.listReferrer(ctx, repo, d, raw, m)
	}
	if err == nil && tag != "" {
		err = l.putTag(ctx, repo, tag, d, m, create)
	}
	return l.fail("pushing manifest", repo, ref, err)
}

// putBlob stores a blob unless it is there, which is not taken on trust: the push of a damaged blob mends it. Unless it
// is to be durable at once, it is when a tag needs it, or on Close.
func (l *layout) putBlob(ctx context.Context, b artifact.Blob, durable bool) error {
	d := b.Descriptor
	if there, err := l.hasBlob(ctx, d); there || err != nil {
		return err
	}
	r, err := b.Open()
	if err != nil {
		return err
	}
	defer r.Close()
	err = l.replaceFile(l.blobPath(d.Digest), 0o444, durable, func(w io.Writer) error { return copyVerified(w, r, d) })
	if err == nil && !durable {
		l.commits.written(d.Digest)
	}
	return err
}

// hasBlob reports whether a blob that can be stored need not be.
func (l *layout) hasBlob(ctx context.Context, d ocispec.Descriptor) (bool, error) {
	if err := cmp.Or(ctx.Err(), d.Digest.Validate()); err != nil {
		return false, err
	}
	if d.Digest.Algorithm() != digest.SHA256 {
		return false, fmt.Errorf("digest %s: %w", d.Digest, registry.ErrUnsupported)
	}
	return l.intact(ctx, d), nil
}

// Stage implements registry.Stager. A layout that nothing was pushed to as yet is not made for it, and what only who has
// written it can make durable goes through putBlob, which does.
func (l *layout) Stage() (*os.File, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.prepared || !syncsLater {
		return nil, nil
	}
	return l.createTemp(0o444)
}

// PushStaged implements registry.Stager.
func (l *layout) PushStaged(ctx context.Context, repo string, d ocispec.Descriptor, file string) error {
	there, err := l.hasBlob(ctx, d)
	if err == nil && there {
		err = os.Remove(file)
	} else if err == nil {
		if err = os.Rename(file, l.blobPath(d.Digest)); err == nil {
			l.commits.written(d.Digest)
		}
	}
	return l.fail("pushing blob", repo, string(d.Digest), err)
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

// putManifest stores a manifest whose blobs are all there, as a registry does, and returns what it refers to.
func (l *layout) putManifest(ctx context.Context, d ocispec.Descriptor, raw []byte, durable bool) (m links, err error) {
	if len(raw) > artifact.MaxManifest {
		return m, fmt.Errorf("manifest of %d bytes: %w", len(raw), artifact.ErrLimit)
	}
	b := artifact.NewBlob(d.MediaType, raw)
	if b.Descriptor.Digest != d.Digest || b.Descriptor.Size != d.Size {
		return m, fmt.Errorf("%w: the manifest is %s, not %s", artifact.ErrCorrupt, b.Descriptor.Digest, d.Digest)
	}
	if m, err = parseLinks(raw); err == nil {
		err = l.checkLinks(m)
	}
	if err == nil {
		err = l.putBlob(ctx, b, durable)
	}
	return m, err
}

// checkLinks is an error unless all that a manifest lists is there.
func (l *layout) checkLinks(m links) error {
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
	Subject   *ocispec.Descriptor  `json:"subject"`
}

func parseLinks(raw []byte) (m links, err error) {
	if err := json.Unmarshal(raw, &m); err != nil {
		return m, fmt.Errorf("%w: the manifest is no JSON object: %w", artifact.ErrCorrupt, err)
	}
	return m, nil
}

// all returns what has to be there with the manifest: its subject need not.
func (m links) all() []ocispec.Descriptor {
	all := slices.Concat(m.Layers, m.Manifests)
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
