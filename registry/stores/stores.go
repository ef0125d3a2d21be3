// Package stores opens what a user names as a store: a registry's namespace or an OCI image layout directory, or several of
// them by module prefix.
package stores

import (
	"fmt"
	"strings"

	"github.com/modferry/modferry/registry"
	"github.com/modferry/modferry/registry/ocilayout"
	"github.com/modferry/modferry/registry/remote"
)

// Open opens one store: "oci:DIR", an OCI image layout directory, which is created on the first push; or what
// [remote.Client.Open] takes. It makes no request. The error is registry.ErrReference when ref is malformed.
func Open(c *remote.Client, ref string) (*registry.Store, error) {
	dir, ok := strings.CutPrefix(ref, "oci:")
	switch {
	case !ok:
		return c.Open(ref)
	case dir == "", strings.HasPrefix(dir, "//"):
		return nil, fmt.Errorf("%w %q: a layout directory is written oci:DIR", registry.ErrReference, ref)
	}
	return ocilayout.Open(dir)
}

// Route opens the stores of routes by module prefix; see [registry.Route].
func Route(c *remote.Client, spec string) (*registry.Router, error) {
	return registry.Route(spec, func(ref string) (*registry.Store, error) { return Open(c, ref) })
}
