// Package page is what a shim shows to people: what is in the stores, what was found out about it, what is missing, and how
// to set up the go command. It needs no script, asks no other host for anything, and decides nothing: what it says of a
// version is what [proxyshim.Handler] answers requests for it by.
//
// Requests are, with what each answers:
//
//	/                        search, the checksum snapshot, how to set up the go command; ?q=TEXT&page=N (browsers only)
//	/-/module/PATH           the versions of a module; ?page=N
//	/-/module/PATH@VERSION   a version, which is fetched and verified if need be
//	/-/wishes                what was asked for and is missing
//	/-/api/modules, /-/api/module/…, /-/api/wishes, /-/api/snapshot    the same as JSON
//
// All others go to the shim.
package page

import (
	"bytes"
	"context"
	"embed"
	"encoding/json"
	"fmt"
	"html/template"
	"log/slog"
	"net/http"
	"path"
	"strings"
	"time"

	"github.com/dustin/go-humanize"

	"github.com/modferry/modferry/proxyshim"
	"github.com/modferry/modferry/proxyshim/access"
)

//go:embed static
var static embed.FS

// Options configures a Handler. Shim, Names, Setup and Mirror are required.
type Options struct {
	Shim   *proxyshim.Handler
	Names  func(context.Context) (Names, error)                    // what is in the stores; asked at most once in five minutes
	Setup  func(shim string, who *access.Client) []Snippet         // how to have the go command of a client use the shim at a URL
	Mirror func(missing proxyshim.Miss, who *access.Client) string // the command line, for a client, that mirrors it, quoted for sh
	Now    func() time.Time                                        // nil = time.Now
	Log    *slog.Logger                                            // nil = discard
}

// Snippet is something to copy.
type Snippet struct {
	Title string `json:"title"`
	Text  string `json:"text"`
}

// Handler serves pages, and what is not for people from its shim. It is safe for concurrent use.
type Handler struct {
	Options
	names    *names
	verdicts verdicts
	pages    *template.Template
	cancel   context.CancelFunc
}

// New returns a Handler. It makes no request to a store before somebody looks at a page.
func New(o Options) (*Handler, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	h := &Handler{Options: o, names: &names{read: o.Names, now: o.Now}}
	var err error
	if h.verdicts, err = newVerdicts(); err != nil {
		return nil, err
	}
	h.names.ctx, h.cancel = context.WithCancel(context.Background())
	h.pages, err = template.New("").Funcs(h.functions()).ParseFS(static, "static/pages.html")
	return h, err
}

// functions are what templates call.
func (h *Handler) functions() template.FuncMap {
	return template.FuncMap{
		"ago":   func(t time.Time) string { return humanize.RelTime(t, h.Now(), "ago", "from now") },
		"days":  func(day time.Time) string { return daysAgo(h.Now().Sub(day)) },
		"day":   func(t time.Time) string { return t.UTC().Format(time.DateOnly) },
		"time":  func(t time.Time) string { return t.UTC().Format("2006-01-02 15:04 UTC") },
		"size":  func(n int64) string { return humanize.IBytes(uint64(max(n, 0))) },
		"comma": humanize.Comma,
		"count": func(n int) string { return humanize.Comma(int64(n)) },
		"join":  strings.Join,
		"brief": brief,
		"get":   goGet,
		"link":  link,
	}
}

// daysAgo says how long ago a day began, in days.
func daysAgo(d time.Duration) string {
	switch days := int(d / (24 * time.Hour)); {
	case days <= 0:
		return "today"
	case days == 1:
		return "yesterday"
	default:
		return fmt.Sprintf("%d days ago", days)
	}
}

// brief returns the beginning of a key's digest, and other names of keys as they are.
func brief(key string) string {
	const shown = len("sha256:") + 12
	if strings.HasPrefix(key, "sha256:") && len(key) > shown {
		return key[:shown] + "…"
	}
	return key
}

// Close ends background work.
func (h *Handler) Close() {
	h.names.mu.Lock()
	h.cancel()
	h.names.mu.Unlock()
	h.names.working.Wait()
}

const (
	modulePrefix = "/-/module/"
	apiPrefix    = "/-/api/"
)

// ServeHTTP implements http.Handler.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	path := r.URL.Path
	name, isAPI := strings.CutPrefix(path, apiPrefix)
	switch {
	case path != "/" && !strings.HasPrefix(path, "/-/"), r.Method != http.MethodGet && r.Method != http.MethodHead:
		h.Shim.ServeHTTP(w, r)
	case path == "/" && strings.Contains(r.Header.Get("Accept"), "text/html"): // it is a browser that asks
		h.show(w, "home", h.home(r))
	case path == "/-/page.css", path == "/-/icon.svg", path == "/-/page.js":
		h.asset(w, strings.TrimPrefix(path, "/-/"))
	case path == "/-/wishes":
		h.show(w, "wishes", h.wishes(r))
	case path == apiPrefix+"modules":
		home := h.home(r)
		h.api(w, http.StatusOK, home.Found)
	case path == apiPrefix+"wishes":
		h.api(w, http.StatusOK, h.wishes(r).Wishes)
	case path == apiPrefix+"snapshot":
		h.api(w, http.StatusOK, h.snapshot(r))
	case strings.HasPrefix(path, modulePrefix), isAPI && strings.HasPrefix(name, "module/"):
		h.about(w, r, isAPI)
	default:
		h.Shim.ServeHTTP(w, r)
	}
}

// about answers about a module or a version of it.
func (h *Handler) about(w http.ResponseWriter, r *http.Request, isAPI bool) {
	m, ok := parseSubject(r.URL.Path)
	if ok && !access.From(r.Context()).MayRead(m.Path) {
		access.Refuse(w, r, m.Path)
		return
	}
	name, page := "module", any(nil)
	var wrong *problem
	switch {
	case !ok:
		wrong = &problem{Status: http.StatusBadRequest, Text: "This is no path of a module, or no canonical version of it."}
	case m.Version == "":
		page, wrong = h.module(r, m.Path)
	default:
		name = "version"
		page, wrong = h.version(r, m)
	}
	switch {
	case wrong != nil && isAPI:
		h.api(w, wrong.Status, wrong)
	case wrong != nil:
		wrong.base = h.base(r, m.String())
		w.WriteHeader(h.headers(w, wrong.Status))
		h.render(w, "problem", wrong)
	case isAPI:
		h.api(w, http.StatusOK, page)
	default:
		h.show(w, name, page)
	}
}

// policy has a browser load nothing from elsewhere, and run nothing that stands in a page.
const policy = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; " +
	"form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

func (h *Handler) show(w http.ResponseWriter, name string, page any) {
	h.headers(w, http.StatusOK)
	h.render(w, name, page)
}

// headers sets the headers of a page, and returns status.
func (h *Handler) headers(w http.ResponseWriter, status int) int {
	header := w.Header()
	header.Set("Content-Type", "text/html; charset=utf-8")
	header.Set("Content-Security-Policy", policy)
	header.Set("Vary", "Accept, Authorization")
	common(header)
	return status
}

func common(header http.Header) {
	header.Set("Cache-Control", "private, no-store")
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("Referrer-Policy", "no-referrer")
	header.Set("Cross-Origin-Resource-Policy", "same-origin")
	header.Set("Cross-Origin-Opener-Policy", "same-origin")
}

func (h *Handler) render(w http.ResponseWriter, name string, page any) {
	var b bytes.Buffer
	if err := h.pages.ExecuteTemplate(&b, name, page); err != nil {
		h.Log.Error("rendering a page", "page", name, "error", err)
		b.WriteString("The page cannot be shown.")
	}
	_, _ = w.Write(b.Bytes())
}

func (h *Handler) asset(w http.ResponseWriter, name string) {
	data, err := static.ReadFile("static/" + name)
	if err != nil {
		h.Log.Error("reading what is embedded", "error", err)
	}
	common(w.Header())
	w.Header().Set("Content-Type", map[string]string{
		".css": "text/css; charset=utf-8", ".svg": "image/svg+xml", ".js": "text/javascript; charset=utf-8",
	}[path.Ext(name)])
	w.Header().Set("Cache-Control", "no-cache")
	_, _ = w.Write(data)
}

func (h *Handler) api(w http.ResponseWriter, status int, value any) {
	common(w.Header())
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(value)
}
