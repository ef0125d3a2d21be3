package artifact

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
	"time"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/mod/module"
)

// Origin is the commit that a version was made from, as its .info has it; each "" if unknown.
type Origin struct {
	VCS  string `json:"vcs,omitempty"`
	URL  string `json:"url,omitempty"`
	Ref  string `json:"ref,omitempty"`
	Hash string `json:"hash,omitempty"`
}

// An info is what a .info file says, as far as it matters here.
type info struct {
	Version string
	Time    time.Time // zero if unknown
	Origin  Origin
}

// parseInfo parses the .info file of m.
func parseInfo(m module.Version, data []byte) (*info, error) {
	if err := CheckSize(".info", int64(len(data)), maxInfo); err != nil {
		return nil, err
	}
	var i info
	if err := json.Unmarshal(data, &i); err != nil {
		return nil, fmt.Errorf(".info: %w: %w", ErrCorrupt, err)
	}
	if i.Version != m.Version {
		return nil, fmt.Errorf(".info: %w: it is of version %q", ErrCorrupt, i.Version)
	}
	if year := i.time().Year(); year < 0 || year > 9999 {
		return nil, fmt.Errorf(".info: %w: time %v has no RFC 3339 form in UTC", ErrCorrupt, i.Time)
	}
	return &i, nil
}

// time returns the time of the version, or the epoch if it is unknown. Digests
// depend on it, so it is in UTC and in whole seconds however it was written.
func (i *info) time() time.Time {
	if i.Time.IsZero() {
		return time.Unix(0, 0).UTC()
	}
	return i.Time.UTC().Truncate(time.Second)
}

// annotations returns what is said about m, as far as it is known.
func (i *info) annotations(m module.Version) map[string]string {
	a := map[string]string{
		AnnotationModule:          m.Path,
		AnnotationVersion:         m.Version,
		ocispec.AnnotationTitle:   m.Path,
		ocispec.AnnotationVersion: m.Version,
	}
	if source := i.source(); source != "" {
		a[ocispec.AnnotationSource] = source
	}
	if h := i.Origin.Hash; h != "" && len(h) <= 128 && strings.Trim(h, "0123456789abcdef") == "" {
		a[ocispec.AnnotationRevision] = h
	}
	if !i.Time.IsZero() {
		a[ocispec.AnnotationCreated] = i.time().Format(time.RFC3339)
	}
	return a
}

// source returns where the version comes from, or "" if that is not known. It
// is an address to follow, so it leaves out what a URL says about the account.
func (i *info) source() string {
	const maxURL = 2048
	u, err := url.Parse(i.Origin.URL)
	if err != nil || len(i.Origin.URL) > maxURL || u.Host == "" {
		return ""
	}
	u.User = nil
	return u.String()
}

// InfoDifference compares two .info files of one version and says in which field they differ, or "" if in none that
// matters: that is all of them but those of Origin, of which only the commit counts. Where that was fetched from is for
// people to know, and not the same for everybody.
func InfoDifference(a, b []byte) string {
	x, err := fieldsOf(a)
	y, errY := fieldsOf(b)
	if err != nil || errY != nil {
		return "form"
	}
	names := maps.Clone(x)
	maps.Copy(names, y)
	for _, name := range slices.Sorted(maps.Keys(names)) {
		value, ok := x[name]
		if other, too := y[name]; ok != too || value != other {
			return name
		}
	}
	return ""
}

// fieldsOf are the fields of a .info file to compare, each in one form.
func fieldsOf(data []byte) (map[string]string, error) {
	var raw map[string]json.RawMessage
	var i info
	if err := errors.Join(json.Unmarshal(data, &raw), json.Unmarshal(data, &i)); err != nil {
		return nil, err
	}
	fields := make(map[string]string, len(raw))
	for name, value := range raw {
		fields[name] = string(value)
	}
	fields["Time"] = i.Time.UTC().Format(time.RFC3339Nano)
	delete(fields, "Origin")
	fields["Origin.Hash"] = i.Origin.Hash
	return fields, nil
}

// OriginHash returns the commit that a .info file says the version is of, or "" if it does not.
func OriginHash(info []byte) string {
	var i struct{ Origin struct{ Hash string } }
	if json.Unmarshal(info, &i) != nil {
		return ""
	}
	return i.Origin.Hash
}
