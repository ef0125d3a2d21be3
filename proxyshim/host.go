package proxyshim

import (
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
)

// OnlyHosts passes on to h what is asked of this machine itself: localhost, a name below it, or a loopback
// address; and of the hosts that allow lists, as [ParseHost] returns them. Ports do not matter. Any other Host
// header, or none, is answered with 421. Whoever listens on loopback needs that: a web page whose own name is made
// to resolve to 127.0.0.1 (DNS rebinding) could have the browser of this machine's user read private modules.
func OnlyHosts(h http.Handler, allow []string, log *slog.Logger) http.Handler {
	var passed atomic.Pointer[string] // the last header that was let through
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if last := passed.Load(); last != nil && *last == r.Host {
			h.ServeHTTP(w, r)
			return
		}
		host, ok := requestedHost(r.Host)
		if ok && (isLocal(host) || slices.Contains(allow, host)) {
			header := strings.Clone(r.Host)
			passed.Store(&header)
			h.ServeHTTP(w, r)
			return
		}
		log.Warn("refused: the request is for another host", "host", r.Host, "client", r.RemoteAddr)
		text := "misdirected request: its Host header is missing or malformed"
		meant := "NAME"
		if ok {
			text, meant = fmt.Sprintf("misdirected request: this shim does not answer for the host %s", host), host
		}
		answer(w, r, http.StatusMisdirectedRequest, text+"\nUse the address that modferry serve prints, or localhost. "+
			"If another name is meant to lead to this shim, start it with --allow-host "+meant+".")
	})
}

// hostGrammar has host names in lower case. Underscores are no letters of such names, but in use.
var hostGrammar = regexp.MustCompile(`^[a-z0-9_-]+(\.[a-z0-9_-]+)*$`)

// ParseHost returns the form in which two names or two addresses of a host are compared. It is not ok for anything
// else, as a name with a port or a pattern.
func ParseHost(s string) (host string, ok bool) {
	if inside, found := strings.CutPrefix(s, "["); found {
		s, found = strings.CutSuffix(inside, "]")
		if addr, err := netip.ParseAddr(s); !found || err != nil || !addr.Is6() {
			return "", false
		}
	}
	if addr, err := netip.ParseAddr(s); err == nil {
		return addr.Unmap().String(), true
	}
	host = strings.ToLower(strings.TrimSuffix(s, "."))
	return host, hostGrammar.MatchString(host)
}

// requestedHost is ParseHost of a Host header: host [ ":" port ].
func requestedHost(header string) (host string, ok bool) {
	name, port := header, ""
	if i := strings.LastIndexByte(header, ':'); i > strings.LastIndexByte(header, ']') {
		name, port = header[:i], header[i+1:]
	}
	if _, err := strconv.ParseUint(port, 10, 16); port != "" && err != nil {
		return "", false
	}
	if strings.Contains(name, ":") && !strings.HasPrefix(name, "[") {
		return "", false // an IPv6 address has brackets here
	}
	return ParseHost(name)
}

// isLocal reports whether a host can be nothing but this machine.
func isLocal(host string) bool {
	return host == "localhost" || strings.HasSuffix(host, ".localhost") || net.ParseIP(host).IsLoopback()
}
