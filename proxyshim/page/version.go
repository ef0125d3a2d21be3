package page

import (
	"net/http"
	"net/url"
	"time"

	"golang.org/x/mod/module"

	"github.com/modferry/modferry/proxyshim"
	"github.com/modferry/modferry/proxyshim/access"
)

// version is a version of a module: its names and, once it was looked at, what was found out.
type version struct {
	Module  string `json:"module"`
	Version string `json:"version"`
	Command string `json:"command"` // to use it
	*details
}

// details are those of a version that the shim has accepted.
type details struct {
	ModOnly   bool      `json:"modOnly,omitempty"`
	Withheld  bool      `json:"withheld,omitempty"` // the store does not give it any more
	Checked   time.Time `json:"checked"`            // when the store last confirmed it
	Time      time.Time `json:"time,omitzero"`
	Size      int64     `json:"size,omitempty"`   // bytes of the zip, as stored
	SignedBy  []string  `json:"signedBy"`         // empty: this shim does not verify signatures
	Rule      string    `json:"rule,omitempty"`   // of the trust policy, by which that counts
	Record    *int64    `json:"record,omitempty"` // in the checksum database
	Private   bool      `json:"private,omitempty"`
	License   string    `json:"license,omitempty"`
	Reference string    `json:"reference"`
	Digest    string    `json:"digest"`
	Sum       string    `json:"sum,omitempty"`
	GoModSum  string    `json:"goModSum"`
	Origin    *origin   `json:"origin,omitempty"`
}

type origin struct {
	VCS  string `json:"vcs,omitempty"`
	URL  string `json:"url,omitempty"`
	Ref  string `json:"ref,omitempty"`
	Hash string `json:"hash,omitempty"`
}

// Link returns the URL if it is one to follow, else "".
func (o *origin) Link() string {
	u, err := url.Parse(o.URL)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" {
		return ""
	}
	return o.URL
}

func (v *version) describe(d *proxyshim.Description) {
	v.details = &details{
		ModOnly: d.ModOnly, Withheld: d.Withheld, Checked: d.Checked, Time: d.Time, Size: d.Size, SignedBy: append([]string{}, d.Keys...), Rule: d.Rule,
		Private: d.Private, Reference: d.Reference, Digest: d.Manifest.String(), Sum: d.Sum, GoModSum: d.GoModSum,
	}
	if d.Record >= 0 {
		v.Record = &d.Record
	}
	if d.Origin != (proxyshim.Origin{}) {
		v.Origin = &origin{VCS: d.Origin.VCS, URL: d.Origin.URL, Ref: d.Origin.Ref, Hash: d.Origin.Hash}
	}
}

type versionPage struct {
	base `json:"-"`
	version
}

// Known reports whether there are details.
func (v *version) Known() bool { return v.details != nil }

// Number is the number of the record.
func (d *details) Number() int64 { return *d.Record }

// goGet is the command to use a version.
func goGet(path, version string) string { return "go get " + path + "@" + version }

// version describes a version, which is fetched and verified if need be.
func (h *Handler) version(r *http.Request, m module.Version) (*versionPage, *problem) {
	d, err := h.Shim.Describe(r.Context(), m)
	if err != nil {
		return nil, explain(m, err)
	}
	p := &versionPage{base: h.base(r, m.String()), version: version{Module: m.Path, Version: m.Version, Command: goGet(m.Path, m.Version)}}
	p.describe(d)
	if z, file, err := h.Shim.CachedZip(m); err == nil {
		p.License = license(z, m)
		_ = file.Close()
	}
	return p, nil
}

type wishesPage struct {
	base
	Wishes []wish
	All    string // the command that mirrors all of them
}

// wish is something that was asked for and is missing.
type wish struct {
	Module  string    `json:"module"`
	Query   string    `json:"query"` // a version, "latest", or a revision
	Count   int       `json:"count"`
	First   time.Time `json:"first"`
	Last    time.Time `json:"last"`
	Command string    `json:"command"` // that mirrors it
}

// maxWishes bounds what one page has of them.
const maxWishes = 500

func (h *Handler) wishes(r *http.Request) *wishesPage {
	p := &wishesPage{base: h.base(r, "What is missing"), Wishes: []wish{}}
	for _, miss := range h.visible(r) {
		if len(p.Wishes) == maxWishes {
			break
		}
		query := miss.Module.Version
		if query == "" {
			query = miss.Query
		}
		p.Wishes = append(p.Wishes, wish{
			Module: miss.Module.Path, Query: query, Count: miss.Count, First: miss.First, Last: miss.Last, Command: h.Mirror(miss, access.From(r.Context())),
		})
	}
	return p
}

// visible returns what is missing, as far as the client may know of it.
func (h *Handler) visible(r *http.Request) (list []proxyshim.Miss) {
	client := access.From(r.Context())
	for _, miss := range h.Shim.Wishes(false) {
		if client.MayRead(miss.Module.Path) {
			list = append(list, miss)
		}
	}
	return list
}
