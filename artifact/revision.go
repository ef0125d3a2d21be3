package artifact

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/mod/module"
	"golang.org/x/mod/semver"

	"github.com/modferry/modferry/artifact/goproxy"
)

// Media types of a recorded revision.
const (
	ArtifactTypeRevision    = "application/vnd.modferry.revision.v1"
	MediaTypeRevisionConfig = "application/vnd.modferry.revision.config.v1+json"
)

// AnnotationRevision is the name of a recorded revision.
const AnnotationRevision = "dev.modferry.revision"

// ErrRevision: no go command asks a proxy for a revision of that name, or it is a version.
var ErrRevision = errors.New("not the name of a revision")

// Tags of recorded revisions
//
//	readable  "rev-" name            name = [A-Za-z0-9._-]+
//	hashed    "rev_" 64*[0-9a-f]     for all other names: their SHA-256
//
// No version has such a tag, because versions begin with "v".
const (
	readablePrefix = "rev-"
	hashedPrefix   = "rev_"
	maxRevision    = 195 // a shim takes file names of 200 bytes, ".info" included
	alphanumerics  = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
)

// A Revision records what a name meant when it was mirrored. It is stored in the
// module's repository, so that it can be signed and asked for:
//
//	manifest  artifactType ArtifactTypeRevision; annotations of format, module, revision and version
//	config    {}
//	layer     {}, of the type that the image specification has for no content
//
// Its tag moves when the name means another version.
type Revision struct {
	Path    string // module path
	Name    string // branch, tag or full commit hash
	Version string // canonical version it means
}

// Module returns the module version that the name means.
func (r Revision) Module() module.Version {
	return module.Version{Path: r.Path, Version: r.Version}
}

// RevisionName returns the name to record for a revision that was asked for and led to a version of the
// commit hash, which may be empty. For the beginning of the hash that is the whole hash, so that any
// other beginning is as good. ok is false if nothing needs to be recorded, or nothing can be: a version needs
// no other name, and some names no go command can ask a proxy for.
func RevisionName(asked, version, hash string) (name string, ok bool) {
	name = asked
	if goproxy.IsAbbreviatedHash(asked) && strings.HasPrefix(hash, asked) {
		name = hash
	}
	_, err := RevisionTag(name)
	return name, err == nil && !semver.IsValid(asked) && asked != version
}

// Query returns the module with the name in the version's place, as people write it.
func (r Revision) Query() module.Version {
	return module.Version{Path: r.Path, Version: r.Name}
}

// RevisionTag returns the tag of the recorded revision with that name. It is not the tag of any version. The error
// matches [ErrRevision]: the name is one that [module.EscapeVersion] refuses, such as one with a slash, or too long.
func RevisionTag(name string) (string, error) {
	if err := checkRevisionName(name); err != nil {
		return "", err
	}
	if tag := readablePrefix + name; len(tag) <= maxTag && strings.Trim(name, "-._"+alphanumerics) == "" {
		return tag, nil
	}
	sum := sha256.Sum256([]byte(name))
	return hashedPrefix + hex.EncodeToString(sum[:]), nil
}

// ParseRevisionTag returns the name whose readable [RevisionTag] is tag. It returns
// ok = false for every other tag, hashed ones too.
func ParseRevisionTag(tag string) (name string, ok bool) {
	name, ok = strings.CutPrefix(tag, readablePrefix)
	if !ok {
		return "", false
	}
	if again, err := RevisionTag(name); err != nil || again != tag {
		return "", false
	}
	return name, true
}

// IsRevisionTag reports whether [RevisionTag] returns such a tag, readable or hashed.
func IsRevisionTag(tag string) bool {
	hash, hashed := strings.CutPrefix(tag, hashedPrefix)
	if hashed {
		sum, err := hex.DecodeString(hash)
		return err == nil && len(sum) == sha256.Size && hash == strings.ToLower(hash)
	}
	_, ok := ParseRevisionTag(tag)
	return ok
}

func checkRevisionName(name string) error {
	if len(name) > maxRevision {
		return fmt.Errorf("%w: %.40q… has %d bytes, at most %d are accepted", ErrRevision, name, len(name), maxRevision)
	}
	if _, err := module.EscapeVersion(name); err != nil {
		return fmt.Errorf("%w: %q: a go command cannot ask a proxy for it", ErrRevision, name)
	}
	return nil
}

// check checks the form of r. A version means nothing but itself, if need be with +incompatible.
func (r Revision) check() error {
	if err := goproxy.Check(r.Module()); err != nil {
		return err
	}
	if err := checkRevisionName(r.Name); err != nil {
		return err
	}
	if module.CanonicalVersion(r.Name) == r.Name && r.Version != r.Name+"+incompatible" {
		return fmt.Errorf("%w: %q is a version and cannot mean %s", ErrRevision, r.Name, r.Version)
	}
	return nil
}

// BuildRevision packages a recorded revision. Equal revisions give equal images. The
// error matches [ErrRevision] if the name cannot be recorded.
func BuildRevision(r Revision) (*Image, error) {
	if err := r.check(); err != nil {
		return nil, err
	}
	annotations := map[string]string{AnnotationModule: r.Path, AnnotationRevision: r.Name, AnnotationVersion: r.Version}
	empty := []byte("{}")
	return NewImage(ArtifactTypeRevision, annotations, NewBlob(MediaTypeRevisionConfig, empty), NewBlob(ocispec.MediaTypeEmptyJSON, empty))
}

// ParseRevision reads a recorded revision from its manifest. The error matches [ErrCorrupt] or [ErrLimit]. Whether it
// is about the module and the name asked for is for the caller to check.
func ParseRevision(manifest []byte) (*Revision, error) {
	a, layer, err := parseCompanion(manifest, ArtifactTypeRevision, MediaTypeRevisionConfig)
	if err != nil {
		return nil, err
	}
	r := &Revision{Path: a[AnnotationModule], Name: a[AnnotationRevision], Version: a[AnnotationVersion]}
	if layer.MediaType != ocispec.MediaTypeEmptyJSON || string(layer.Data) != "{}" {
		return nil, fmt.Errorf("%w: unexpected layer of type %q", ErrCorrupt, layer.MediaType)
	}
	if err := r.check(); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
	return r, nil
}
