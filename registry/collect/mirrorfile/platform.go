package mirrorfile

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// platformGrammar is GOOS "/" GOARCH.
var platformGrammar = regexp.MustCompile(`^[a-z0-9]+/[a-z0-9]+$`)

// CheckPlatform checks a platform, os/arch as in linux/amd64. A name that is not known may be of a Go that is
// newer than this program; but not one that is nearly a known one.
func CheckPlatform(s string) error {
	os, arch, _ := strings.Cut(strings.ToLower(s), "/")
	right := closest(os, systems()) + "/" + closest(arch, architectures())
	if os != "" && arch != "" && right != s {
		return fmt.Errorf("%s is not a platform: did you mean %s?", quote(s), right)
	}
	if !platformGrammar.MatchString(s) {
		return fmt.Errorf("%s is not a platform: write it os/arch, like linux/amd64", quote(s))
	}
	return nil
}

// closest returns the known name that a name was meant to be, or the name.
func closest(name string, known []string) string {
	switch name {
	case "x86_64", "x86-64", "x64":
		return "amd64"
	case "aarch64", "armv8":
		return "arm64"
	case "i386", "i686", "x86":
		return "386"
	case "macos", "osx":
		return "darwin"
	case "win", "win32", "win64":
		return "windows"
	}
	if slices.Contains(known, name) {
		return name
	}
	if best := nearest(name, known); best != "" {
		return best
	}
	return name
}

// systems are the values of GOOS, of "go tool dist list".
func systems() []string {
	return []string{
		"aix", "android", "darwin", "dragonfly", "freebsd", "illumos", "ios", "js", "linux",
		"netbsd", "openbsd", "plan9", "solaris", "wasip1", "windows",
	}
}

// architectures are the values of GOARCH.
func architectures() []string {
	return []string{
		"386", "amd64", "arm", "arm64", "loong64", "mips", "mips64", "mips64le", "mipsle",
		"ppc64", "ppc64le", "riscv64", "s390x", "wasm",
	}
}
