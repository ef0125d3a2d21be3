// Package access decides who may read which modules through a shim.
package access

import (
	"context"
	"slices"
	"strings"

	"golang.org/x/mod/module"
)

// Client is who makes a request, and what may be read.
type Client struct {
	Name     string   // "" for whoever shows no credential
	prefixes []string // that this client names, as they are written
	rules    *rules   // all prefixes that are named
}

// MayRead reports whether c may read what there is of a module. Of all module path prefixes that anybody's rights name,
// the longest that the path has decides: those whose rights name it may read it, and nobody else. A path that has none of
// them may be read by nobody. Without access control, which is the nil Client, everybody may read everything.
func (c *Client) MayRead(path string) bool {
	if c == nil {
		return true
	}
	prefix, ok := c.rules.longest(path)
	return ok && slices.ContainsFunc(c.prefixes, func(p string) bool { return strings.ToLower(p) == prefix })
}

// Patterns returns what c has to know of a list of patterns, as in GOPRIVATE, to use the modules that match it and that c
// may read, and no more: a pattern as it is where c may read what it names, and else the prefixes of c that it covers.
func (c *Client) Patterns(list string) string {
	if c == nil {
		return list
	}
	var known []string
	for pattern := range strings.SplitSeq(list, ",") {
		pattern = strings.TrimSpace(pattern)
		if c.mayKnow(pattern) {
			known = append(known, pattern)
			continue
		}
		for _, p := range c.prefixes {
			if p != "" && module.MatchPrefixPatterns(pattern, p) {
				known = append(known, p)
			}
		}
	}
	return strings.Join(known, ",")
}

// mayKnow reports whether c may read what a pattern names: what is in front of its wildcards or, where these come
// first, all that is closed to somebody and matches it.
func (c *Client) mayKnow(pattern string) bool {
	named := pattern
	if wild := strings.IndexAny(pattern, `*?[\`); wild >= 0 {
		named = pattern[:max(0, strings.LastIndexByte(pattern[:wild], '/'))]
	}
	switch {
	case named != "":
		return c.MayRead(named)
	case strings.Trim(pattern, "*?/") == "": // it names nothing
		return true
	}
	for prefix := range c.rules.prefixes {
		if module.MatchPrefixPatterns(pattern, prefix) && !c.MayRead(prefix) {
			return false
		}
	}
	return c.MayRead("")
}

// rules are the prefixes that decide, each in whole path elements; "" has every path.
type rules struct{ prefixes map[string]bool }

// longest returns the longest prefix of path among the rules. Upper and lower case are the same to it, for to many hosts
// they are.
func (r *rules) longest(path string) (prefix string, ok bool) {
	path = strings.ToLower(path)
	for {
		if r.prefixes[path] {
			return path, true
		}
		if path == "" {
			return "", false
		}
		path = path[:max(0, strings.LastIndexByte(path, '/'))]
	}
}

type contextKey struct{}

// With returns a context of a request that c makes.
func With(ctx context.Context, c *Client) context.Context {
	return context.WithValue(ctx, contextKey{}, c)
}

// From returns who makes a request; nil where there is no access control.
func From(ctx context.Context) *Client {
	c, _ := ctx.Value(contextKey{}).(*Client)
	return c
}
