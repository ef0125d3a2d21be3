package registry

import (
	"errors"
	"fmt"
	"strings"

	"golang.org/x/mod/module"
)

// blocked is the word that stands for no store in a route.
const blocked = "none"

// Router says which store a module path belongs to. It is safe for concurrent use.
type Router struct {
	spec   string
	routes []route
	stores []*Store
}

// route sends module paths at or below prefix to store; nil blocks them. An empty prefix takes every path.
type route struct {
	prefix string
	store  *Store
}

// Route parses routes by module prefix, and opens their stores:
//
//	routes = route { "," route }
//	route  = [ prefix "=" ] ( store | "none" )
//
// as in "corp.example=harbor.example/private,evil.example=none,harbor.example/golang". The longest prefix of whole
// path elements wins; a route without a prefix is for every other path. A single store is a spec, too. Spaces around
// commas are ignored.
func Route(spec string, open func(ref string) (*Store, error)) (*Router, error) {
	r := &Router{spec: spec}
	opened := make(map[string]*Store)
	seen := make(map[string]bool)
	for part := range strings.SplitSeq(spec, ",") {
		prefix, ref := splitRoute(strings.TrimSpace(part))
		if seen[prefix] {
			return nil, r.fail(fmt.Errorf("%w: two routes for %s", ErrReference, orEverything(prefix)))
		}
		seen[prefix] = true
		if ref != blocked && opened[ref] == nil {
			s, err := open(ref)
			if err != nil {
				return nil, r.fail(err)
			}
			opened[ref] = s
			r.stores = append(r.stores, s)
		}
		r.routes = append(r.routes, route{prefix: prefix, store: opened[ref]})
	}
	return r, nil
}

// fail closes what is open already.
func (r *Router) fail(err error) error { return errors.Join(err, r.Close()) }

// splitRoute cuts the prefix off. A store may have an equals sign in it, but not
// after something that could be the beginning of a module path.
func splitRoute(s string) (prefix, store string) {
	prefix, store, ok := strings.Cut(s, "=")
	if ok && module.CheckImportPath(prefix) == nil {
		return prefix, store
	}
	return "", s
}

func orEverything(prefix string) string {
	if prefix == "" {
		return "all other modules"
	}
	return prefix
}

// For returns the store of a module path. It is ErrBlocked when a route says "none" or no route matches; the text names no
// other route, for those who are told may not read what it is for.
func (r *Router) For(path string) (*Store, error) {
	var best *route
	for i := range r.routes {
		if route := &r.routes[i]; route.matches(path) && (best == nil || len(route.prefix) > len(best.prefix)) {
			best = route
		}
	}
	switch {
	case best == nil:
		return nil, fmt.Errorf("%s: %w: no route matches", path, ErrBlocked)
	case best.store == nil:
		return nil, fmt.Errorf("%s: %w: a route blocks %s", path, ErrBlocked, orEverything(best.prefix))
	}
	return best.store, nil
}

func (r *route) matches(path string) bool {
	rest, ok := strings.CutPrefix(path, r.prefix)
	return ok && (r.prefix == "" || rest == "" || rest[0] == '/')
}

// Stores returns every store once, in the order of the spec.
func (r *Router) Stores() []*Store { return r.stores }

// Close closes the stores.
func (r *Router) Close() error {
	var errs []error
	for _, s := range r.stores {
		errs = append(errs, s.Close())
	}
	return errors.Join(errs...)
}

// String returns the routes as written.
func (r *Router) String() string { return r.spec }
