package goproxy

import (
	"cmp"
	"go/version"
	"slices"
	"strings"

	"golang.org/x/mod/module"
	"golang.org/x/mod/semver"
)

// Go toolchains are versions of a module that has nothing but zips (https://go.dev/doc/toolchain):
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

// ReleaseOf returns the release that a toolchain's version is of, as go1.26.8; "" if it is none.
func ReleaseOf(v string) string {
	rest, ok := strings.CutPrefix(v, toolchainPrefix)
	end := strings.LastIndexByte(rest, '.')
	if !ok || end < 0 || !semver.IsValid(v) || !version.IsValid(rest[:end]) {
		return ""
	}
	return rest[:end]
}

// NewestToolchain returns the newest release among the versions of Go toolchains in a list that has the language version of
// least and is no older: go1.26 admits every release of it, "" every release at all. One that the list has for all of the
// platforms is preferred, else for most; pre-releases count only if there is nothing else. The platforms that the list
// has it for are returned with it; there are none, and no release, if the list has none.
func NewestToolchain(list []string, least string, platforms []string) (release string, at []string) {
	for _, v := range list {
		r := ReleaseOf(v)
		if r == "" || least != "" && (version.Lang(r) != version.Lang(least) || version.Compare(r, least) < 0) {
			continue
		}
		has := slices.DeleteFunc(slices.Clone(platforms), func(p string) bool { return !slices.Contains(list, Toolchain(r, p).Version) })
		better := cmp.Or(
			cmp.Compare(finished(r), finished(release)),
			cmp.Compare(len(has), len(at)),
			version.Compare(r, release),
		)
		if len(has) > 0 && (release == "" || better > 0) {
			release, at = r, has
		}
	}
	return release, at
}

// finished is 1 for a release and 0 for a pre-release.
func finished(release string) int {
	if strings.Trim(strings.TrimPrefix(release, "go"), "0123456789.") == "" {
		return 1
	}
	return 0
}

// ToolchainGap is a release of Go that lacks for some platforms which have an older one of the same language version.
type ToolchainGap struct {
	Release   string
	Platforms []string // GOOS/GOARCH, sorted
}

// ToolchainGaps returns the newest releases of each language version that some platforms lack, of all that a list has, from
// the oldest on. The go command takes no notice of platforms in such a list: it chooses the newest release there too, and
// fails.
func ToolchainGaps(list []string) (gaps []ToolchainGap) {
	newest, platforms := make(map[string]string), make(map[string][]string) // by language version
	for _, v := range list {
		r := ReleaseOf(v)
		if r == "" || finished(r) == 0 {
			continue
		}
		lang := version.Lang(r)
		if version.Compare(r, newest[lang]) > 0 {
			newest[lang] = r
		}
		platform := strings.Replace(v[strings.LastIndexByte(v, '.')+1:], "-", "/", 1)
		if !slices.Contains(platforms[lang], platform) {
			platforms[lang] = append(platforms[lang], platform)
		}
	}
	for lang, r := range newest {
		lacking := slices.DeleteFunc(platforms[lang], func(p string) bool { return slices.Contains(list, Toolchain(r, p).Version) })
		if slices.Sort(lacking); len(lacking) > 0 {
			gaps = append(gaps, ToolchainGap{r, lacking})
		}
	}
	slices.SortFunc(gaps, func(a, b ToolchainGap) int { return version.Compare(a.Release, b.Release) })
	return gaps
}
