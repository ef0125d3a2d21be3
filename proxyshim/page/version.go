package page

import (
	"cmp"
	"net/http"
	"net/url"
	"time"

	"golang.org/x/mod/module"

	"github.com/modferry/modferry/artifact"
	"github.com/modferry/modferry/proxyshim"
	"github.com/modferry/modferry/proxyshim/access"
	"github.com/modferry/modferry/proxyshim/events"
)

// version is a version of a module: its names and, once it was looked at, what was found out.
type version struct {
	Module  string   `json:"module"`
	Version string   `json:"version"`
	Command string   `json:"command"` // to use it
	License string   `json:"license,omitempty"`
	Held    *verdict `json:"heldBack,omitempty"` // by the registry, when it was last asked for
	*proxyshim.Description
}

// link returns the URL of an origin if it is one to follow, else "".
func link(o *artifact.Origin) string {
	u, err := url.Parse(o.URL)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" {
		return ""
	}
	return o.URL
}

type versionPage struct {
	base `json:"-"`
	version
}

// goGet is the command to use a version.
func goGet(path, version string) string { return "go get " + path + "@" + version }

// version describes a version, which is fetched and verified if need be.
func (h *Handler) version(r *http.Request, m module.Version) (*versionPage, *problem) {
	if e := events.Of(r.Context()); e != nil {
		e.Module = m
	}
	d, err := h.Shim.Describe(r.Context(), m)
	if err != nil {
		return nil, explain(m, err)
	}
	p := &versionPage{h.base(r, m.String()), version{Module: m.Path, Version: m.Version, Command: goGet(m.Path, m.Version), Description: d}}
	if z, file, err := h.Shim.CachedZip(m); err == nil {
		ids, _ := artifact.FindLicenses(z, m)
		p.License = cmp.Or(artifact.LicenseExpression(ids), "none that is recognised")
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
