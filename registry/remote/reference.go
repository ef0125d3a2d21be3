package remote

import (
	"fmt"
	"net"
	"net/netip"
	"regexp"
	"strings"

	"github.com/opencontainers/go-digest"
	oras "oras.land/oras-go/v2/registry"

	"github.com/modferry/modferry/registry"
)

// maxRepository is the length registries allow for a repository's whole name,
// and maxNamespace what module paths leave of it.
const (
	maxRepository = 255
	maxNamespace  = 54
)

// hostPort is what can stand for a registry: a name, an IPv4 address or an IPv6 address in brackets, and a port.
var hostPort = regexp.MustCompile(`^([A-Za-z0-9][A-Za-z0-9.-]*|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?$`)

// location is a parsed store reference.
//
//	store     = [ "http://" | "https://" ] host [ ":" port ] "/" namespace
//	namespace = one or more repository path components of the distribution-spec
//
// A registry without namespaces may be written with a scheme or a port and nothing after it.
type location struct {
	host      string // host[:port]
	namespace string
	plain     bool // HTTP without TLS
}

func parseLocation(ref string) (location, error) {
	rest, scheme := ref, ""
	if s, r, ok := strings.Cut(ref, "://"); ok {
		scheme, rest = s, r
	}
	if mayHoldPassword(rest) {
		// It must not be repeated, whatever else is wrong.
		return location{}, fmt.Errorf("%w: a store is written without user name and password (use docker login), and without a digest", registry.ErrReference)
	}
	if scheme != "" && scheme != "http" && scheme != "https" {
		return location{}, malformed(ref, "the scheme is http:// or https:// or left out; a layout directory is written oci:DIR")
	}
	host, namespace, _ := strings.Cut(strings.TrimSuffix(rest, "/"), "/")
	l := location{host: host, namespace: namespace, plain: scheme == "http" || scheme == "" && loopback(host)}
	return l, l.check(ref, scheme)
}

func (l location) check(ref, scheme string) error {
	r := oras.Reference{Registry: l.host, Repository: l.namespace}
	switch {
	case !hostPort.MatchString(l.host) || r.ValidateRegistry() != nil:
		return malformed(ref, "it is written host[:port]/namespace")
	case l.namespace == "" && scheme == "" && !strings.Contains(l.host, ":"):
		return malformed(ref, "it is written host[:port]/namespace; a directory is written oci:DIR")
	case l.namespace == "":
		return nil
	case l.namespace != strings.ToLower(l.namespace):
		return malformed(ref, "a namespace is lower case")
	case strings.ContainsAny(l.namespace, ":@"):
		return malformed(ref, "a store has no tag or digest")
	case r.ValidateRepository() != nil:
		return malformed(ref, fmt.Sprintf("%q cannot be a namespace", l.namespace))
	case len(l.namespace) > maxNamespace:
		return malformed(ref, fmt.Sprintf("a namespace has at most %d characters", maxNamespace))
	}
	return nil
}

func malformed(ref, why string) error {
	return fmt.Errorf("%w %q: %s", registry.ErrReference, ref, why)
}

// mayHoldPassword reports whether s could begin with "user:password@" or "token@". A password may have any character.
func mayHoldPassword(s string) bool {
	at := strings.LastIndexByte(s, '@')
	return at >= 0 && (strings.Contains(s[:at], ":") || !strings.Contains(s[:at], "/"))
}

// loopback reports whether host[:port] is this machine by its very name.
func loopback(host string) bool {
	name := host
	if h, _, err := net.SplitHostPort(host); err == nil {
		name = h
	}
	name = strings.Trim(name, "[]")
	addr, err := netip.ParseAddr(name)
	return strings.EqualFold(name, "localhost") || err == nil && addr.IsLoopback()
}

// checkReference checks a repository name and a tag or digest in it.
// Digests are sha256, as everywhere in this format.
func checkReference(r oras.Reference) error {
	switch {
	case len(r.Repository) > maxRepository:
		return malformed(r.Repository, fmt.Sprintf("a repository name has at most %d characters", maxRepository))
	case r.ValidateRepository() != nil:
		return malformed(r.Repository, "this cannot be a repository name")
	case r.Reference == "":
		return nil
	case strings.Contains(r.Reference, ":"):
		d := digest.Digest(r.Reference)
		if d.Validate() != nil || d.Algorithm() != digest.SHA256 {
			return malformed(r.Reference, "this is no sha256 digest")
		}
	case r.ValidateReferenceAsTag() != nil:
		return malformed(r.Reference, "this cannot be a tag")
	}
	return nil
}
