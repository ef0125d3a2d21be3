package page

import (
	"context"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/mod/module"

	"github.com/modferry/modferry/artifact/goproxy"
	"github.com/modferry/modferry/proxyshim"
	"github.com/modferry/modferry/proxyshim/access"
)

const (
	perPage          = 50              // modules or versions
	snapshotPatience = 2 * time.Second // of a page for a store that is to say whether there is a newer snapshot
)

// base is what all pages have.
type base struct {
	Title  string `json:"-"`
	Shim   string `json:"-"` // the URL it was reached at
	Client string `json:"-"`
	Query  string `json:"-"`
}

func (h *Handler) base(r *http.Request, title string) base {
	b := base{Title: title, Shim: "http://" + r.Host}
	if r.TLS != nil || r.Header.Get("X-Forwarded-Proto") == "https" { // of whoever asks: it is only shown to them
		b.Shim = "https://" + r.Host
	}
	if c := access.From(r.Context()); c != nil {
		b.Client = c.Name
	}
	return b
}

// problem is why something is not shown.
type problem struct {
	base
	Status int    `json:"status"`
	Text   string `json:"error"`
}

func explain(m module.Version, err error) *problem {
	status, text := proxyshim.Explain(m, err)
	return &problem{Status: status, Text: text}
}

// paging is which part of a list is shown.
type paging struct {
	Page  int `json:"page"` // from 1
	Pages int `json:"pages"`
	Total int `json:"total"`
}

// Previous is the previous page, 0 if there is none.
func (p paging) Previous() int { return p.Page - 1 }

// Next is the next page, 0 if there is none.
func (p paging) Next() int {
	if p.Page < p.Pages {
		return p.Page + 1
	}
	return 0
}

// found is a part of the modules that a search finds.
type found struct {
	Query string `json:"query"`
	paging
	Modules []string  `json:"modules"`
	Notes   []string  `json:"notes,omitempty"` // why some may be missing
	AsOf    time.Time `json:"asOf,omitzero"`   // when the names were read
}

type homePage struct {
	base
	Found    found
	Exact    string // a module path that was typed and is not among the names
	Setup    []Snippet
	Snapshot snapshot
}

func (h *Handler) home(r *http.Request) *homePage {
	p := &homePage{base: h.base(r, "")}
	p.base.Query = strings.TrimSpace(r.FormValue("q"))
	client := access.From(r.Context())
	p.Setup = h.Setup(p.Shim, client)
	p.Snapshot = h.snapshot(r)
	p.Found = h.search(r, p.base.Query)
	if q := p.base.Query; module.CheckPath(q) == nil && !slices.Contains(p.Found.Modules, q) && client.MayRead(q) {
		p.Exact = q
	}
	return p
}

func (h *Handler) search(r *http.Request, query string) found {
	have := h.names.get(r.Context())
	f := found{Query: query, Notes: slices.Clone(have.Notes), AsOf: have.read}
	switch {
	case have.err != nil && have.read.IsZero():
		f.Notes = append(f.Notes, "The store does not tell what there is: "+have.err.Error()+
			". Type the whole path of a module to look whether it is there.")
	case have.err != nil:
		f.Notes = append(f.Notes, "The list is that of "+have.read.UTC().Format(time.DateTime)+" UTC; since then the store does not tell: "+have.err.Error())
	case have.read.IsZero():
		f.Notes = append(f.Notes, "The list of modules is being read: look again in a moment.")
	}
	f.paging, f.Modules = part(r, have.search(query, access.From(r.Context()).MayRead))
	return f
}

// part returns the page of a list that a request is for.
func part(r *http.Request, all []string) (paging, []string) {
	pages := max(1, (len(all)+perPage-1)/perPage)
	page, _ := strconv.Atoi(r.FormValue("page"))
	page = min(max(page, 1), pages)
	list := all[(page-1)*perPage : min(page*perPage, len(all))]
	return paging{page, pages, len(all)}, append([]string{}, list...)
}

// snapshot is the state of the checksum database.
type snapshot struct {
	proxyshim.SnapshotState
	Faults []string `json:"faults,omitempty"`
}

func (h *Handler) snapshot(r *http.Request) snapshot {
	ctx, cancel := context.WithTimeout(r.Context(), snapshotPatience)
	defer cancel()
	s := snapshot{SnapshotState: h.Shim.Snapshot(ctx)}
	for _, fault := range s.SnapshotState.Faults {
		_, text := proxyshim.Explain(module.Version{}, fault)
		s.Faults = append(s.Faults, text)
	}
	return s
}

type modulePage struct {
	base     `json:"-"`
	Module   string    `json:"module"`
	Latest   string    `json:"latest,omitempty"` // what @latest means
	paging             // of full versions
	Versions []version `json:"versions"`
	ModOnly  []string  `json:"modOnly,omitempty"` // those of which there is go.mod only
}

// module describes a module by what is known of its versions: only for their names the store is asked.
func (h *Handler) module(r *http.Request, path string) (*modulePage, *problem) {
	full, modOnly, err := h.Shim.Versions(r.Context(), path)
	if err != nil {
		return nil, explain(module.Version{Path: path}, err)
	}
	p := &modulePage{base: h.base(r, path), Module: path, Latest: proxyshim.Latest(full), Versions: []version{}}
	newest := slices.Clone(full)
	slices.Reverse(newest)
	var names []string
	p.paging, names = part(r, newest)
	for _, name := range names {
		m := module.Version{Path: path, Version: name}
		p.Versions = append(p.Versions, version{Module: path, Version: name, Command: goGet(path, name), Held: h.verdicts.of(m), Description: h.Shim.Known(m)})
	}
	p.ModOnly = slices.Clone(modOnly)
	slices.Reverse(p.ModOnly)
	return p, nil
}

// parseSubject returns the module, or the version, that a request path names after its prefix.
func parseSubject(path string) (m module.Version, ok bool) {
	_, name, _ := strings.Cut(path, "/module/")
	path, version, versioned := strings.Cut(name, "@")
	m = module.Version{Path: path, Version: version}
	if versioned {
		return m, goproxy.Check(m) == nil
	}
	return m, module.CheckPath(path) == nil
}
