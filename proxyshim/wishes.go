package proxyshim

import (
	"archive/zip"
	"cmp"
	"context"
	"iter"
	"path"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
	"golang.org/x/mod/module"
)

// Miss is something that was asked for and that the store does not have.
type Miss struct {
	Module      module.Version // without Version for a query
	Query       string         // "latest", for a list, too, or a revision; empty when Module has a Version
	Named       bool           // it was the .info of Module that was asked for first, as when somebody names a version to "go get"
	Count       int            // how often it was asked for
	First, Last time.Time      // when
}

// plus adds what was asked for again.
func (m *Miss) plus(again Miss) {
	if m.Count == 0 {
		*m = again
		return
	}
	m.Count += again.Count
	if again.First.Before(m.First) {
		m.First = again.First
	}
	if again.Last.After(m.Last) {
		m.Last = again.Last
	}
}

const (
	// maxMisses bounds what is remembered of misses and of absence, in entries.
	maxMisses = 10_000
	// burst is how close together the answers are to what the go command asks in parallel.
	burst = 2 * time.Second
)

// missKey tells misses apart.
type missKey struct {
	module module.Version
	query  string
}

// wishes is what a handler remembers of what it did not have. It is safe for concurrent use.
type wishes struct {
	exact bool                      // as in Options
	known *lru.Cache[missKey, Miss] // only changed with mu held

	mu     sync.Mutex
	bursts map[string]*questions // under way, by what is asked of each path: its latest version, a version, or a revision
	size   int                   // questions in all bursts
	open   map[string]int        // how many requests of each burst are not answered yet
	doubts []*question
}

// questions are what was asked within one burst, by module path.
type questions struct {
	began time.Time
	asked map[string]*question
}

// question is what was asked of one path. If the same was asked of a path above, and found, there is doubt: either that module
// has it as a package, and nothing is missing, or it is a module that is missing. Of the next major version there always is.
type question struct {
	request
	found bool
	miss  Miss
	above []*question // those that were found, the longest path first
}

func newWishes(exact bool) (*wishes, error) {
	known, err := lru.New[missKey, Miss](maxMisses)
	return &wishes{exact: exact, known: known, bursts: make(map[string]*questions), open: make(map[string]int)}, err
}

// subject is what q asks of a path: its latest version, a version, or a revision.
func (q request) subject() string {
	if q.kind == kindList || q.kind == kindLatest {
		return "latest"
	}
	return cmp.Or(q.module.Version, q.name)
}

// begin says that q is answered before end is called: a burst is not over before all of it is, which may take the store
// long.
func (w *wishes) begin(q request, now time.Time) (end func()) {
	what := q.subject()
	w.mu.Lock()
	defer w.mu.Unlock()
	if b := w.bursts[what]; b != nil && w.isOver(what, b, now) {
		w.settle(func(_ string, other *questions) bool { return other == b })
	}
	w.open[what]++
	return func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		if w.open[what]--; w.open[what] == 0 {
			delete(w.open, what)
		}
	}
}

// isOver reports whether all that belongs to a burst was answered. Call it with w.mu held.
func (w *wishes) isOver(what string, b *questions, now time.Time) bool {
	return now.Sub(b.began) >= burst && w.open[what] == 0
}

// answered records that q was answered: with the absence of what it asks for, with that, or, in case of a failure, neither.
func (w *wishes) answered(q request, missed, found bool, now time.Time) {
	if q.module.Path == "" {
		return
	}
	named := q.kind == kindInfo && !w.exact
	miss := Miss{Module: q.module, Named: named, Count: 1, First: now, Last: now}
	switch {
	case q.kind == kindList, q.kind == kindLatest:
		q.kind, miss.Query = kindLatest, q.subject()
	case q.kind == kindRevision:
		miss.Query = q.name
	case !named && !missed:
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if miss.Query == "" && !named { // something requires the version
		w.add(miss)
		return
	}
	what := q.subject()
	if w.size >= maxMisses {
		w.settle(func(string, *questions) bool { return true })
	}
	b := w.bursts[what]
	if b == nil {
		b = &questions{began: now, asked: make(map[string]*question)}
		w.bursts[what] = b
	}
	asked := b.asked[q.module.Path]
	if asked == nil {
		asked = &question{request: q}
		b.asked[q.module.Path] = asked
		w.size++
	}
	asked.found = asked.found || found
	if missed {
		asked.miss.plus(miss)
	}
}

// add adds a wish. Call it with w.mu held.
func (w *wishes) add(m Miss) {
	known, _ := w.known.Peek(missKey{m.Module, m.Query})
	known.plus(m)
	w.known.Add(missKey{m.Module, m.Query}, known)
}

// settle decides of the bursts that are over what was wished for. Call it with w.mu held.
func (w *wishes) settle(over func(string, *questions) bool) {
	for what, b := range w.bursts {
		if !over(what, b) {
			continue
		}
		delete(w.bursts, what)
		w.size -= len(b.asked)
		below := make(map[string]bool) // paths that have one below them
		for path := range b.asked {
			for above := range parents(path) {
				below[above] = true
			}
		}
		for path, q := range b.asked {
			if q.found || q.miss.Count == 0 || below[path] {
				continue
			}
			for above := range parents(path) {
				if a := b.asked[above]; a != nil && a.found {
					q.above = append(q.above, a)
				}
			}
			_, isMajor := previousMajor(path)
			doubt := len(q.above) > 0 || isMajor && q.kind == kindLatest
			if doubt && len(w.doubts) < maxMisses {
				w.doubts = append(w.doubts, q)
			} else {
				w.add(q.miss)
			}
		}
	}
}

// parents yields the element-wise proper prefixes of a path, the longest first.
func parents(path string) iter.Seq[string] {
	return func(yield func(string) bool) {
		for i := strings.LastIndexByte(path, '/'); i > 0 && yield(path[:i]); i = strings.LastIndexByte(path[:i], '/') {
		}
	}
}

// Wishes returns what was asked for and not found since the start, each thing once, with how often and when, sorted by
// module, version and query. Of very many the latest are kept.
//
// Left out is what the go command merely tried. For a package of which it does not know the module it asks in parallel for
// every path that could be: for example.com/a/b@v1.0.0 about example.com/a/b, example.com/a and example.com. So of what
// is asked of paths within two seconds, be it for the same version, the same revision or what there is, only the longest
// paths are wishes, unless one is that of a package of a module above that was asked the same and found. The zip of that
// module tells, which is fetched for that if need be. If the longest path is a package's, mirror goes up from it. A file that
// something requires, .mod or .zip, was never merely tried.
//
// Nor is it a wish if somebody looks whether there is a next major version of a module that is there, as Renovate and pkgsite do:
// of example.com/a/v2, nothing but its list or its latest version is asked for, and the store has example.com/a.
//
// What was asked for within the last two seconds is returned later, unless last says that there will be no later.
func (h *Handler) Wishes(last bool) []Miss {
	w, now := h.wishes, h.now()
	w.mu.Lock()
	w.settle(func(what string, b *questions) bool { return last || w.isOver(what, b, now) })
	doubts := w.doubts
	w.doubts = nil
	w.mu.Unlock() // finding out may fetch zips
	ctx, cancel := context.WithTimeout(h.ctx, patience)
	defer cancel()
	doubts = slices.DeleteFunc(doubts, func(q *question) bool {
		isPackage := func(above *question) bool { return h.isPackage(ctx, q.module.Path, above.request) }
		return h.isNextMajor(ctx, q.request) || slices.ContainsFunc(q.above, isPackage)
	})
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, q := range doubts {
		w.add(q.miss)
	}
	return slices.SortedFunc(slices.Values(w.known.Values()), func(a, b Miss) int {
		return cmp.Or(
			cmp.Compare(a.Module.Path, b.Module.Path), cmp.Compare(a.Module.Version, b.Module.Version), cmp.Compare(a.Query, b.Query))
	})
}

// isNextMajor reports whether a request is for what there is of a module of whose previous major version something is there.
func (h *Handler) isNextMajor(ctx context.Context, q request) bool {
	previous, ok := previousMajor(q.module.Path)
	if !ok || q.kind != kindLatest {
		return false
	}
	_, err := h.meaning(ctx, request{kind: kindLatest, module: module.Version{Path: previous}}, false)
	return err == nil
}

// previousMajor returns the path of the major version before that of a path: example.com/a for example.com/a/v2.
func previousMajor(path string) (previous string, ok bool) {
	prefix, major, _ := module.SplitPathVersion(path)
	n, err := strconv.Atoi(strings.TrimLeft(major, "/.v"))
	switch {
	case err != nil || n < 2:
		return "", false
	case n == 2 && major[0] == '/':
		return prefix, true
	}
	return prefix + major[:2] + strconv.Itoa(n-1), true
}

// isPackage reports whether the zip of the version that was asked for has Go files in the directory of a package. What cannot
// be found out is not so.
func (h *Handler) isPackage(ctx context.Context, pkg string, of request) bool {
	m, err := of.module, error(nil)
	if m.Version == "" {
		m, err = h.meaning(ctx, of, false)
	}
	if err != nil {
		return false
	}
	f, _, err := h.open(ctx, m, kindZip)
	if err != nil {
		return false
	}
	defer f.Close()
	z, err := zipReader(f)
	dir := m.String() + strings.TrimPrefix(pkg, m.Path)
	return err == nil && slices.ContainsFunc(z.File, func(file *zip.File) bool {
		return path.Ext(file.Name) == ".go" && path.Dir(file.Name) == dir
	})
}
