// Package stores opens what a user names as a store: a registry's namespace or an OCI image layout directory, or several of
// them by module prefix.
package stores

import (
	"fmt"
	"strings"

	"github.com/modferry/modferry/registry"
)

// Open opens one store: "oci:DIR", an OCI image layout directory, which is created on the first push; or what
// [Client.Open] takes. It makes no request. The error is registry.ErrReference when ref is malformed.
func Open(c *registry.Client, ref string) (*registry.Store, error) {
	dir, ok := strings.CutPrefix(ref, "oci:")
	switch {
	case !ok:
		return c.Open(ref)
	case dir == "", strings.HasPrefix(dir, "//"):
		return nil, fmt.Errorf("%w %q: a layout directory is written oci:DIR", registry.ErrReference, ref)
	}
	return registry.OpenLayout(dir)
}

// Route opens the stores of routes by module prefix; see [registry.Route].
func Route(c *registry.Client, spec string) (*registry.Router, error) {
	return registry.Route(spec, func(ref string) (*registry.Store, error) { return Open(c, ref) })
}
