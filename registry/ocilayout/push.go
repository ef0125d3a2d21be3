package ocilayout

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

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
	if err != nil {
		return l.fail("pushing blob", repo, string(b.Descriptor.Digest), err)
	}
	return nil
}

func (l *layout) PushManifest(ctx context.Context, repo string, d ocispec.Descriptor, raw []byte, tag string) error {
	return l.push(ctx, repo, d, raw, tag, false)
}

func (l *layout) CreateTag(ctx context.Context, repo string, d ocispec.Descriptor, raw []byte, tag string, _ bool) error {
	return l.push(ctx, repo, d, raw, tag, true)
}

// push stores a manifest and, unless tag is empty, moves the tag to it or creates it.
func (l *layout) push(ctx context.Context, repo string, d ocispec.Descriptor, raw []byte, tag string, create bool) error {
	ref := tag
	if tag == "" {
		ref = string(d.Digest)
	}
	err := checkRef(repo, ref)
	if err == nil {
		err = l.prepare(ctx)
	}
	if err == nil {
		err = l.putManifest(ctx, d, raw)
	}
	if err == nil && tag != "" {
		err = l.putTag(ctx, repo, tag, d, create)
	}
	if err != nil {
		return l.fail("pushing manifest", repo, ref, err)
	}
	return nil
}

// putBlob stores a blob unless it is there, which is not taken on trust: the push
// of a damaged blob mends it.
func (l *layout) putBlob(ctx context.Context, b artifact.Blob) error {
	d := b.Descriptor
	if err := d.Digest.Validate(); err != nil {
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
	return replaceFile(l.dir, l.blobPath(d.Digest), 0o444, func(w io.Writer) error {
		return copyVerified(ctx, w, r, d)
	})
}

// intact reports whether the layout has d's content.
func (l *layout) intact(ctx context.Context, d ocispec.Descriptor) bool {
	r, err := l.open(ctx, d)
	if err != nil {
		return false
	}
	defer r.Close()
	return copyVerified(ctx, io.Discard, r, d) == nil
}

func copyVerified(ctx context.Context, w io.Writer, r io.Reader, d ocispec.Descriptor) error {
	vr := content.NewVerifyReader(contextReader{ctx, r}, d)
	if _, err := io.Copy(w, vr); err != nil {
		return corrupt(err)
	}
	return corrupt(vr.Verify())
}

// contextReader stops a copy when its context ends.
type contextReader struct {
	ctx context.Context
	r   io.Reader
}

// Read reads, or fails with the error of the context.
func (c contextReader) Read(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	return c.r.Read(p)
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
	m, err := parseLinks(raw)
	if err != nil {
		return err
	}
	for _, link := range m.all() {
		if err := l.present(link); err != nil {
			return err
		}
	}
	return l.putBlob(ctx, b)
}

// manifestLinks is what an image manifest or an index refers to.
type manifestLinks struct {
	MediaType string               `json:"mediaType"`
	Config    *ocispec.Descriptor  `json:"config"`
	Layers    []ocispec.Descriptor `json:"layers"`
	Manifests []ocispec.Descriptor `json:"manifests"`
}

func parseLinks(raw []byte) (m manifestLinks, err error) {
	if err := json.Unmarshal(raw, &m); err != nil {
		return m, fmt.Errorf("%w: the manifest is no JSON object: %w", artifact.ErrCorrupt, err)
	}
	return m, nil
}

func (m manifestLinks) all() []ocispec.Descriptor {
	links := append(m.Layers, m.Manifests...)
	if m.Config != nil {
		links = append(links, *m.Config)
	}
	return links
}

// manifestType returns a manifest's media type, "" if raw is none. The member is
// optional in the image specification.
func manifestType(raw []byte) string {
	m, err := parseLinks(raw)
	switch {
	case err != nil:
		return ""
	case m.MediaType != "":
		return m.MediaType
	case m.Config != nil:
		return ocispec.MediaTypeImageManifest
	case m.Manifests != nil:
		return ocispec.MediaTypeImageIndex
	default:
		return ""
	}
}

// present returns an error unless there is a blob of d's size. A layer with URLs
// may live elsewhere.
func (l *layout) present(d ocispec.Descriptor) error {
	if len(d.URLs) > 0 {
		return nil
	}
	if err := d.Digest.Validate(); err != nil {
		return err
	}
	info, err := os.Stat(l.blobPath(d.Digest))
	if err == nil && info.Size() != d.Size {
		return fmt.Errorf("%w: blob %s has %d bytes, not %d", errDamaged, d.Digest, info.Size(), d.Size)
	}
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("the manifest lists a blob that was not pushed: %s", d.Digest)
	}
	return err
}

// prepare makes the directory a layout, and tidies up after an interrupted run,
// before the first push.
func (l *layout) prepare(ctx context.Context) error {
	l.prepareMu.Lock()
	defer l.prepareMu.Unlock()
	if l.prepared {
		return nil
	}
	if _, err := isLayout(l.dir); err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Join(l.dir, tmpDir), 0o777); err != nil {
		return err
	}
	unlock, err := l.lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	if err := os.MkdirAll(filepath.Join(l.dir, blobsDir), 0o777); err != nil {
		return err
	}
	for _, made := range []string{".", ocispec.ImageBlobsDir} {
		if err := syncDir(filepath.Join(l.dir, made)); err != nil {
			return err
		}
	}
	if err := l.create(); err != nil {
		return err
	}
	if err := l.fold(); err != nil {
		return err
	}
	sweep(filepath.Join(l.dir, tmpDir))
	l.prepared = true
	return nil
}

// create writes what a layout must have. The file that makes it one comes last.
func (l *layout) create() error {
	if is, err := isLayout(l.dir); is || err != nil {
		return err
	}
	_ = syncDir(filepath.Dir(l.dir)) // may be another user's, and then its name is durable
	// One that is there is of an interrupted creation, or of a layout copied in part.
	_, err := os.Stat(filepath.Join(l.dir, ocispec.ImageIndexFile))
	if errors.Is(err, fs.ErrNotExist) {
		err = l.writeFile(ocispec.ImageIndexFile, []byte(emptyIndex))
	}
	if err != nil {
		return err
	}
	marker, err := json.Marshal(ocispec.ImageLayout{Version: ocispec.ImageLayoutVersion})
	if err != nil {
		return err
	}
	return l.writeFile(ocispec.ImageLayoutFile, marker)
}

// writeFile replaces a file of the layout's directory, durably.
func (l *layout) writeFile(name string, data []byte) error {
	err := replaceFile(l.dir, filepath.Join(l.dir, name), 0o666, func(w io.Writer) error {
		_, err := w.Write(data)
		return err
	})
	if err != nil {
		return err
	}
	return syncDir(l.dir)
}

// replaceFile writes target by way of a temporary file in the layout dir, so that target
// is there whole or not at all. The name is durable once its directory is synced.
func replaceFile(dir, target string, perm fs.FileMode, write func(io.Writer) error) (err error) {
	f, err := os.OpenFile(filepath.Join(dir, tmpDir, rand.Text()), os.O_WRONLY|os.O_CREATE|os.O_EXCL, perm)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			f.Close()
			os.Remove(f.Name())
		}
	}()
	if err := write(f); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	return os.Rename(f.Name(), target)
}
