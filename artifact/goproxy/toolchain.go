package goproxy

import (
	"go/version"
	"strings"

	"golang.org/x/mod/module"
	"golang.org/x/mod/semver"
)

// Go toolchains are versions of a module that has nothing but zips
// (https://go.dev/doc/toolchain):
//
//	version = "v0.0.1-" release "." GOOS "-" GOARCH
//	release = "go1.21.0", "go1.26rc1", …
const (
	ToolchainPath   = "golang.org/toolchain" // the module
	toolchainPrefix = "v0.0.1-"
)

// IsToolchain reports whether m is of the module of Go toolchains.
func IsToolchain(m module.Version) bool { return m.Path == ToolchainPath }

// Toolchain returns the module version of a release for a platform, GOOS/GOARCH.
func Toolchain(release, platform string) module.Version {
	return module.Version{Path: ToolchainPath, Version: toolchainPrefix + release + "." + strings.Replace(platform, "/", "-", 1)}
}

// ReleaseOf returns the release that a toolchain's version is of, as go1.26.8; "" if it
// is none.
func ReleaseOf(v string) string {
	rest, ok := strings.CutPrefix(v, toolchainPrefix)
	end := strings.LastIndexByte(rest, '.')
	if !ok || end < 0 || !semver.IsValid(v) || !version.IsValid(rest[:end]) {
		return ""
	}
	return rest[:end]
}
