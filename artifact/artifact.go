// Package artifact is the storage format: it turns a module version into an
// OCI image manifest with its blobs, and reads such a manifest back.
//
// A module version is stored as one image manifest (application/vnd.oci.image.manifest.v1+json):
//
//	config          an OCI image config
//	layer 0 "meta"  a gzipped tar: .info, .mod, the SBOM, checksum database evidence
//	layer 1 "zip"   a gzipped tar with the module zip as its only entry
//
// The paths inside the layers form a GOPROXY tree, so that unpacking any set of images over one another gives a
// directory for GOPROXY=file://DIR. A mod-only version has no zip layer and the config media type
// [MediaTypeGoModConfig].
//
// The manifest travels through any registry, image scanner and image copier. It is deterministic: equal files give
// equal bytes, on any machine, with any Go release. Nothing is compressed, no clock is read, zips are not rebuilt.
//
// Everything that is read here was written by others. Sizes are bounded before and while reading, and every byte
// returned was checked against the digests and sums of the manifest. Whether the manifest itself can be trusted is
// the question that signatures answer, elsewhere.
package artifact

import (
	"errors"

	modzip "golang.org/x/mod/zip"
)

// Limits, in bytes, on what is built and read.
const (
	// MaxManifest bounds a manifest. Registries refuse larger ones.
	MaxManifest = 4 << 20

	// MaxMeta bounds the meta layer, as stored and after decompression.
	MaxMeta = 20 << 20

	// MaxInlineMeta is the size of the stored meta layer up to which it is also
	// carried inside the manifest, in the data field of its descriptor.
	MaxInlineMeta = 128 << 10

	// MaxZip bounds a module zip, as the go command does.
	MaxZip = modzip.MaxZipFile

	// maxInfo bounds a .info file.
	maxInfo = 1 << 20

	// maxConfig bounds the config blob, which is never read here.
	maxConfig = 1 << 20

	// maxZipLayer bounds the zip layer as stored: a zip with its framing.
	maxZipLayer = MaxZip + 1<<20

	// maxRecord bounds a checksum database record.
	maxRecord = 64 << 10
)

// FormatVersion is the value of [AnnotationFormat] that this package writes and reads.
const FormatVersion = "1"

// MediaTypeGoModConfig is the config media type of a mod-only version. There
// is no code in it that an image scanner would have to look at.
const MediaTypeGoModConfig = "application/vnd.modferry.gomod.config.v1+json"

// Annotations on the manifest. They say what a manifest is; repository and tag are lookup keys only.
const (
	AnnotationFormat   = "dev.modferry.format"    // FormatVersion
	AnnotationModule   = "dev.modferry.module"    // module path
	AnnotationVersion  = "dev.modferry.version"   // canonical version
	AnnotationSum      = "dev.modferry.sum"       // h1: sum of the zip, full versions only
	AnnotationGoModSum = "dev.modferry.gomod-sum" // h1: sum of the go.mod file
)

// Errors about content, for errors.Is. An error that is none of them comes
// from the reader, the writer or the file system, and trying again may help.
var (
	// ErrNotModule: the manifest is not one of a module version, or of a format that this package does not know.
	ErrNotModule = errors.New("not a module version")

	// ErrIdentity: the manifest belongs to another module version than the one asked for. See [Identify].
	ErrIdentity = errors.New("another module version")

	// ErrCorrupt: bytes contradict their digest, size or sum, or are not what they must be in a module version.
	ErrCorrupt = errors.New("corrupt content")

	// ErrLimit: something is larger than this package accepts.
	ErrLimit = errors.New("too large")

	// ErrLongName: the repository name carries a hash instead of the module
	// path. The path is in the [AnnotationModule] of each of its manifests.
	ErrLongName = errors.New("repository name does not hold the whole module path")
)
