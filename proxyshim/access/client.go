// Package access decides who may read which modules through a shim.
package access

import (
	"context"
	"slices"
	"strings"
)

// Client is who makes a request, and what may be read.
type Client struct {
	Name     string   // "" for whoever shows no credential
	prefixes []string // that this client names
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
	return ok && slices.Contains(c.prefixes, prefix)
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
