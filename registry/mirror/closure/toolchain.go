package closure

import (
	"context"
	"fmt"
	"go/version"
	"io"
	"slices"
	"strings"

	"golang.org/x/mod/module"
	"golang.org/x/mod/semver"

	"github.com/modferry/modferry/registry/mirror/record"
)

// Go toolchains are versions of a module (https://go.dev/doc/toolchain):
//
//	version = "v0.0.1-" release "." GOOS "-" GOARCH
const (
	toolchainPath   = "golang.org/toolchain"
	toolchainPrefix = "v0.0.1-"
)

// maxList is the most that is read of a list of versions.
const maxList = 16 << 20

// addToolchains adds the toolchain for each platform that a tool demands, if that is newer than the go
// command here.
func (v *view) addToolchains(ctx context.Context, src record.Source, got downloaded, platforms []string) error {
	demanded, err := goLine(got.GoMod)
	if err != nil || version.Compare(demanded, v.goCmd.Version()) <= 0 {
		return err
	}
	release, err := newestToolchain(ctx, src, demanded, platforms)
	if err != nil {
		v.warn("looking for the toolchain that it demands", err)
		return nil
	}
	for _, p := range platforms {
		v.needs.add(Need{Module: toolchainFor(release, p), From: v.from})
	}
	return nil
}

// newestToolchain returns the newest release with the language version that is demanded that upstream has for all
// platforms: the go command, when it has to switch, does not take the oldest that will do either.
func newestToolchain(ctx context.Context, src record.Source, demanded string, platforms []string) (string, error) {
	r, err := src.Open(ctx, toolchainPath+"/@v/list")
	if err != nil {
		return "", fmt.Errorf("%s: listing the Go toolchains: %w", demanded, err)
	}
	defer r.Close()
	data, err := io.ReadAll(io.LimitReader(r, maxList))
	if err != nil {
		return "", fmt.Errorf("%s: listing the Go toolchains: %w", demanded, err)
	}
	listed := strings.Fields(string(data))
	newest := ""
	for _, v := range listed {
		release := releaseOf(v)
		if version.Lang(release) != version.Lang(demanded) || version.Compare(release, demanded) < 0 || version.Compare(release, newest) <= 0 {
			continue
		}
		isMissing := func(p string) bool { return !slices.Contains(listed, toolchainFor(release, p).Version) }
		if !slices.ContainsFunc(platforms, isMissing) {
			newest = release
		}
	}
	if newest == "" {
		return "", fmt.Errorf("upstream lists no Go toolchain that is %s or a patch of it for %s", demanded, strings.Join(platforms, ", "))
	}
	return newest, nil
}

// releaseOf returns the release of a toolchain's version, as go1.26.8, or "".
func releaseOf(v string) string {
	rest, ok := strings.CutPrefix(v, toolchainPrefix)
	end := strings.LastIndexByte(rest, '.')
	if !ok || end < 0 || !semver.IsValid(v) || !version.IsValid(rest[:end]) {
		return ""
	}
	return rest[:end]
}

// toolchainFor returns the module version of a release for a platform, GOOS/GOARCH.
func toolchainFor(release, platform string) module.Version {
	return module.Version{Path: toolchainPath, Version: toolchainPrefix + release + "." + strings.Replace(platform, "/", "-", 1)}
}
