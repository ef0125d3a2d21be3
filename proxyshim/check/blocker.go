package check

import (
	"fmt"
	"maps"
	"net"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"time"
)

// maxHosts bounds how many hosts a blocker remembers.
const maxHosts = 100

// blocker is the HTTP proxy of the commands. It lets nobody through, and remembers where they wanted to go. Loopback
// addresses are not asked of a proxy, so the shim is reached and nothing beyond this machine is.
type blocker struct {
	server http.Server
	url    string

	mu    sync.Mutex
	hosts map[string]struct{}
}

// newBlocker starts a blocker on a free loopback port.
func newBlocker() (*blocker, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("watching for requests to others: %w", err)
	}
	b := &blocker{url: "http://" + l.Addr().String(), hosts: make(map[string]struct{})}
	b.server.Handler = b
	b.server.ReadHeaderTimeout = 10 * time.Second
	go b.server.Serve(l) //nolint:errcheck // it ends with close
	return b, nil
}

func (b *blocker) close() { _ = b.server.Close() }

// ServeHTTP refuses whatever is asked of it as a proxy.
func (b *blocker) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodConnect && r.URL.Host == "" {
		http.NotFound(w, r) // asked of the blocker itself: nobody wanted to get out
		return
	}
	host := r.Host
	if _, _, err := net.SplitHostPort(host); err != nil {
		host = net.JoinHostPort(r.URL.Hostname(), "80")
	}
	b.mu.Lock()
	if len(b.hosts) < maxHosts {
		b.hosts[host] = struct{}{}
	}
	b.mu.Unlock()
	http.Error(w, "modferry check lets nothing through but requests to the shim", http.StatusForbidden)
}

// dialled returns where something wanted to go.
func (b *blocker) dialled() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Sorted(maps.Keys(b.hosts))
}

// environ is what makes a command and all it starts ask the blocker, unless they want to reach the shim.
func (b *blocker) environ(shim string) []string {
	var env []string
	for _, name := range []string{"HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"} {
		env = append(env, name+"="+b.url)
	}
	direct := ""
	if u, err := url.Parse(shim); err == nil {
		direct = u.Host
	}
	return append(env, "NO_PROXY="+direct, "no_proxy="+direct)
}
