package artifact

import (
	"fmt"
	"strings"

	"github.com/modferry/modferry/artifact/goproxy"
)

// Tags
//
//	tag of a full version      version, with "_" for "+"
//	tag of a mod-only version  the same, and ".mod"
//
// "_" does not occur in a version, so that reverses. A pre-release may itself end in ".mod" (v1.0.0-rc.mod); its tag
// gets a final "_", else it would be the tag of the mod-only v1.0.0-rc.
const (
	maxTag    = 128 // the distribution specification's limit
	modSuffix = ".mod"
)

// Tag returns the tag of the full version. It fails if version is not canonical (see [module.CanonicalVersion]) or
// its tag would be longer than the 128 characters that registries allow.
func Tag(version string) (string, error) { return tagOf("", version, "") }

// ModTag returns the tag of the mod-only version. It fails as [Tag] does.
func ModTag(version string) (string, error) { return tagOf("", version, modSuffix) }

// ParseTag returns the version whose [Tag], or if modOnly whose [ModTag], is tag. It
// returns ok = false for every other tag, such as latest or sha256-….sig.
func ParseTag(tag string) (version string, modOnly, ok bool) {
	version, modOnly = strings.CutSuffix(tag, modSuffix)
	if strings.HasSuffix(version, modSuffix+"_") {
		version = version[:len(version)-1]
	} else {
		version = strings.Replace(version, "_", "+", 1)
	}
	again, err := Tag(version)
	if modOnly {
		again, err = ModTag(version)
	}
	if err != nil || again != tag {
		return "", false, false
	}
	return version, modOnly, true
}

// tagOf returns the tag of what has to do with a version.
func tagOf(prefix, version, suffix string) (string, error) {
	if err := goproxy.CheckVersion(version); err != nil {
		return "", err
	}
	tag := prefix + strings.Replace(version, "+", "_", 1) + suffix
	if strings.HasSuffix(version, modSuffix) {
		tag = prefix + version + "_" + suffix
	}
	if len(tag) > maxTag {
		return "", fmt.Errorf("version %q: tag has %d characters, registries allow %d: %w", version, len(tag), maxTag, ErrLimit)
	}
	return tag, nil
}
