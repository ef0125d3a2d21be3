package artifact

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/mod/module"
)

// Media types of an index.
const (
	ArtifactTypeIndex     = "application/vnd.modferry.index.v1"
	MediaTypeIndexConfig  = "application/vnd.modferry.index.config.v1+json"
	MediaTypeIndexModules = "application/vnd.modferry.index.modules.v1"
)

// IndexRepository is the repository of a store's indexes. No module has it: the first element of a path has a dot.
const IndexRepository = "index"

// MaxIndex bounds the list of an index, in bytes: some 300,000 modules.
const MaxIndex = 16 << 20

const (
	signerTag   = "signer-"
	unsignedTag = "unsigned"
)

// An index names the modules that somebody put into a store, as the catalog of a registry would, for those who may not
// read that. Their versions are the tags of their repositories. Each signer has an index of their own, because nobody
// vouches for what others name:
//
//	manifest  artifactType ArtifactTypeIndex; annotation of the format
//	config    {}
//	layer     module paths, sorted, each once and followed by a newline; carried inside the manifest while it is small

// IndexTag returns the tag of the index that is signed with a key, by whose ID (a digest) it is known; "" is no key.
func IndexTag(keyID string) string {
	_, hex, _ := strings.Cut(keyID, ":")
	if hex == "" {
		return unsignedTag
	}
	return signerTag + hex[:min(len(hex), 16)]
}

// IsIndexTag reports whether IndexTag returns such a tag.
func IsIndexTag(tag string) bool { return tag == unsignedTag || strings.HasPrefix(tag, signerTag) }

// OwnIndexTag returns the [IndexTag] of the signer whose index has tag. There are others, of that tag and a suffix, where
// copies of a signer's indexes came together that nobody could merge without the key.
func OwnIndexTag(tag string) string {
	if hex, ok := strings.CutPrefix(tag, signerTag); ok {
		hex, _, _ = strings.Cut(hex, "-")
		return signerTag + hex
	}
	return tag
}

// BuildIndex packages the index of the modules with these paths. The same modules give the same image. The error
// matches [ErrLimit].
func BuildIndex(paths []string) (*Image, error) {
	paths = slices.Compact(slices.Sorted(slices.Values(paths)))
	list := []byte(strings.Join(append(paths, ""), "\n"))
	if err := CheckSize("index", int64(len(list)), MaxIndex); err != nil {
		return nil, err
	}
	return NewImage(ArtifactTypeIndex, make(map[string]string), NewBlob(MediaTypeIndexConfig, []byte("{}")), NewBlob(MediaTypeIndexModules, list))
}

// ParseIndex returns the layer of an index; what it carries inside the manifest was checked. The error matches
// [ErrCorrupt] or [ErrLimit].
func ParseIndex(manifest []byte) (list ocispec.Descriptor, err error) {
	im, err := ParseImage(manifest, ArtifactTypeIndex, ErrCorrupt)
	if err != nil {
		return list, err
	}
	list = im.Layers[0]
	if im.Config.MediaType != MediaTypeIndexConfig || len(im.Layers) != 1 || list.MediaType != MediaTypeIndexModules {
		return list, fmt.Errorf("%w: config of type %q, %d layers, the first of type %q", ErrCorrupt, im.Config.MediaType, len(im.Layers), list.MediaType)
	}
	if _, _, err := Inlined(list); err != nil {
		return list, err
	}
	return list, CheckSize("index", list.Size, MaxIndex)
}

// ReadIndex returns the paths in the list of an index. The error matches [ErrCorrupt].
func ReadIndex(list []byte) (paths []string, err error) {
	for line := range bytes.Lines(list) {
		path := strings.TrimSuffix(string(line), "\n")
		if err := module.CheckPath(path); err != nil {
			return nil, fmt.Errorf("%w: index: %w", ErrCorrupt, err)
		}
		if n := len(paths); len(path) == len(line) || n > 0 && paths[n-1] >= path {
			return nil, fmt.Errorf("%w: index: %s is not in its place", ErrCorrupt, path)
		}
		paths = append(paths, path)
	}
	return paths, nil
}
