package artifact

import (
	"errors"
	"regexp"
	"strings"
	"testing"

	"golang.org/x/mod/module"
)

var tagGrammar = regexp.MustCompile(`^[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}$`)

func TestTagsReverse(t *testing.T) {
	for _, tt := range []struct{ version, tag, modTag string }{
		{"v1.2.3", "v1.2.3", "v1.2.3.mod"},
		{"v2.0.0+incompatible", "v2.0.0_incompatible", "v2.0.0_incompatible.mod"},
		{"v1.0.0-RC.1", "v1.0.0-RC.1", "v1.0.0-RC.1.mod"},
		{"v0.0.0-20200102030405-0123456789ab", "v0.0.0-20200102030405-0123456789ab", "v0.0.0-20200102030405-0123456789ab.mod"},
		{"v0.0.1-go1.26.2.linux-amd64", "v0.0.1-go1.26.2.linux-amd64", "v0.0.1-go1.26.2.linux-amd64.mod"},
		// A pre-release must not take the tag of another version's go.mod.
		{"v1.0.0-rc.mod", "v1.0.0-rc.mod_", "v1.0.0-rc.mod_.mod"},
		{"v1.0.0-rc.mod.mod", "v1.0.0-rc.mod.mod_", "v1.0.0-rc.mod.mod_.mod"},
		{"v2.0.0-rc.mod+incompatible", "v2.0.0-rc.mod_incompatible", "v2.0.0-rc.mod_incompatible.mod"},
	} {
		tag, err := Tag(tt.version)
		if err != nil || tag != tt.tag {
			t.Errorf("Tag(%q) = %q, %v; want %q", tt.version, tag, err, tt.tag)
		}
		modTag, err := ModTag(tt.version)
		if err != nil || modTag != tt.modTag {
			t.Errorf("ModTag(%q) = %q, %v; want %q", tt.version, modTag, err, tt.modTag)
		}
		if v, modOnly, ok := ParseTag(tt.tag); v != tt.version || modOnly || !ok {
			t.Errorf("ParseTag(%q) = %q, %v, %v; want the full version %q", tt.tag, v, modOnly, ok, tt.version)
		}
		if v, modOnly, ok := ParseTag(tt.modTag); v != tt.version || !modOnly || !ok {
			t.Errorf("ParseTag(%q) = %q, %v, %v; want the mod-only version %q", tt.modTag, v, modOnly, ok, tt.version)
		}
	}
}

func TestTagRefusesVersionsThatAreNotCanonical(t *testing.T) {
	for _, version := range []string{"", "v1", "v1.2", "1.2.3", "latest", "v1.2.3+meta", "v1.2.3+incompatible.1", "v1.2.3_incompatible", "v01.2.3", "v1.2.3-", "v1.2.3 "} {
		if tag, err := Tag(version); err == nil || !strings.Contains(err.Error(), "is not a whole version") {
			t.Errorf("Tag(%q) = %q; want an error", version, tag)
		}
		if tag, err := ModTag(version); err == nil || !strings.Contains(err.Error(), "is not a whole version") {
			t.Errorf("ModTag(%q) = %q; want an error", version, tag)
		}
	}
}

func TestTagRefusesMoreThanRegistriesAllow(t *testing.T) {
	version := "v1.0.0-" + strings.Repeat("a", maxTag-len("v1.0.0-"))
	if _, err := Tag(version); err != nil {
		t.Errorf("Tag of %d characters: %v", maxTag, err)
	}
	if _, err := ModTag(version); !errors.Is(err, ErrLimit) {
		t.Errorf("ModTag of %d characters: %v; want ErrLimit", maxTag+len(modSuffix), err)
	}
	if _, err := Tag(version + "a"); !errors.Is(err, ErrLimit) {
		t.Errorf("Tag of %d characters: %v; want ErrLimit", maxTag+1, err)
	}
}

func TestParseTagIgnoresOtherTags(t *testing.T) {
	hex := strings.Repeat("0", 64)
	for _, tag := range []string{
		"", "latest", "head-123", "sha256-" + hex, "sha256-" + hex + ".sig", "v1", "v1.2", "1.2.3", "v1.2.3.mod.mod",
		"v1.2.3_", "v1.2.3_meta", "v1.2.3+incompatible", "v1.2.3_incompatible_", ".mod", "v1.mod", "V1.2.3",
		"v1.2.3-rc_.mod", "v1.2.3-rc.mod__", "v1.2.3-" + strings.Repeat("a", 200),
	} {
		if v, modOnly, ok := ParseTag(tag); ok || v != "" || modOnly {
			t.Errorf("ParseTag(%q) = %q, %v, %v; want nothing", tag, v, modOnly, ok)
		}
	}
}

func FuzzTag(f *testing.F) {
	for _, s := range []string{"v1.2.3", "v2.0.0+incompatible", "v1.0.0-rc.mod", "v1.0.0-rc.mod_", "v2.0.0_incompatible.mod", "sha256-00.sig"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		for _, of := range []struct {
			tag     func(string) (string, error)
			modOnly bool
		}{{Tag, false}, {ModTag, true}} {
			tag, err := of.tag(s)
			if err != nil {
				continue
			}
			if module.CanonicalVersion(s) != s || !tagGrammar.MatchString(tag) {
				t.Fatalf("tag of %q is %q", s, tag)
			}
			if v, modOnly, ok := ParseTag(tag); v != s || modOnly != of.modOnly || !ok {
				t.Fatalf("ParseTag(%q) = %q, %v, %v; want %q, %v", tag, v, modOnly, ok, s, of.modOnly)
			}
		}
		v, modOnly, ok := ParseTag(s)
		if !ok {
			return
		}
		again, err := Tag(v)
		if modOnly {
			again, err = ModTag(v)
		}
		if err != nil || again != s {
			t.Fatalf("ParseTag(%q) = %q, %v, whose tag is %q, %v", s, v, modOnly, again, err)
		}
	})
}
