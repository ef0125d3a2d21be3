package prune

import (
	"cmp"
	"fmt"
	goversion "go/version"
	"slices"
	"strings"

	"golang.org/x/mod/module"
	"golang.org/x/mod/semver"

	"github.com/modferry/modferry/artifact/goproxy"
	"github.com/modferry/modferry/registry/inventory"
	"github.com/modferry/modferry/registry/requirement"
)

// Rules say which versions go. Of those that stay, everything stays that their module graphs need: the go.mod of each
// module version that they require, directly or not.
type Rules struct {
	// Keep is how many releases of a module stay, the newest; all versions if it is negative. Of a module without
	// releases the newest pre-releases stay, else the newest pseudo-versions; of a Go toolchain the newest releases
	// for each platform. Versions of which only the go.mod is there do not count: they stay while a module graph
	// needs them.
	Keep int
	// Needed are versions that stay although they are not among those: of go.sum files, for instance.
	Needed []requirement.Requirement
	// Toolchains are releases of Go that stay, for all platforms, as go1.26.8.
	Toolchains []string
	// Drop are versions that go, whatever else is said of them.
	Drop []Drop
}

// Drop is a set of versions that go, and why.
type Drop struct {
	Pattern goproxy.Pattern // upper and lower case do not differ
	Reason  string
}

// held is what a store holds of one module version.
type held struct {
	module.Version
	full, modOnly *inventory.Tag // nil = not in that form
}

// dropped returns why a version goes whatever else is said of it; "" = it does not.
func (r *Rules) dropped(m module.Version) string {
	for _, d := range r.Drop {
		if d.Pattern.MatchFold(m) {
			return strings.TrimSuffix(fmt.Sprintf("matches %s: %s", d.Pattern, d.Reason), ": ")
		}
	}
	return ""
}

// named returns the versions that are needed in full, and those of which at least the go.mod is: all of them.
func (r *Rules) named() (full, mod map[module.Version]bool) {
	full, mod = make(map[module.Version]bool), make(map[module.Version]bool)
	for _, n := range r.Needed {
		mod[n.Module] = true
		if !n.ModOnly {
			full[n.Module] = true
		}
	}
	return full, mod
}

// newest returns which versions of a module, in semver order, are the newest ones to keep. Those that are dropped do
// not count.
func (r *Rules) newest(versions []held) map[module.Version]bool {
	classes := make(map[string][]held)
	for _, v := range versions {
		if v.full != nil && r.dropped(v.Version) == "" {
			c := classOf(v.Version)
			classes[c] = append(classes[c], v)
		}
	}
	keep := make(map[module.Version]bool)
	add := func(class string) {
		list := classes[class]
		for i, v := range slices.Backward(list) {
			if len(list)-i > r.Keep {
				break
			}
			keep[v.Version] = true
		}
	}
	switch {
	case len(versions) > 0 && goproxy.IsToolchain(versions[0].Version):
		for class, list := range classes {
			slices.SortFunc(list, compareToolchains)
			add(class)
		}
	case len(classes[release]) > 0:
		add(release)
	case len(classes[preRelease]) > 0:
		add(preRelease)
	default:
		add(pseudo)
	}
	return keep
}

// The classes of versions, of which the first that a module has is kept.
const (
	release    = "release"
	preRelease = "pre-release"
	pseudo     = "pseudo-version"
)

// classOf returns the class of a version; of a toolchain, its platform.
func classOf(m module.Version) string {
	switch {
	case goproxy.IsToolchain(m):
		return m.Version[strings.LastIndexByte(m.Version, '.')+1:]
	case module.IsPseudoVersion(m.Version):
		return pseudo
	case semver.Prerelease(m.Version) != "":
		return preRelease
	}
	return release
}

func compareToolchains(a, b held) int {
	v, w := a.Version.Version, b.Version.Version
	return cmp.Or(goversion.Compare(goproxy.ReleaseOf(v), goproxy.ReleaseOf(w)), cmp.Compare(v, w))
}

// outdated says why a version goes that nothing keeps.
func (r *Rules) outdated(v held, modOnly bool) string {
	class := classOf(v.Version)
	switch {
	case modOnly:
		return "no module graph needs its go.mod"
	case r.Keep == 0:
		return "no project names it"
	case class == preRelease, class == pseudo:
		return "a " + class + ", and newer ones or releases stay"
	case r.Keep == 1:
		return "not the newest"
	}
	return fmt.Sprintf("not among the newest %d", r.Keep)
}
