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

// maxDialled bounds how many hosts a trap remembers.
const maxDialled = 100

// trap is the HTTP proxy of the commands. It lets nobody through, and remembers
// where they wanted to go. Loopback addresses are not asked of a proxy, so the shim
// is reached and nothing beyond this machine is.
type trap struct {
	server http.Server
	url    string

	mu    sync.Mutex
	hosts map[string]struct{}
}

// setTrap opens a trap on a free loopback port.
func setTrap() (*trap, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("watching for requests to others: %w", err)
	}
	t := &trap{url: "http://" + l.Addr().String(), hosts: make(map[string]struct{})}
	t.server.Handler = t
	t.server.ReadHeaderTimeout = 10 * time.Second
	go t.server.Serve(l) //nolint:errcheck // it ends with close
	return t, nil
}

func (t *trap) close() { _ = t.server.Close() }

// ServeHTTP refuses whatever is asked of it as a proxy.
func (t *trap) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodConnect && r.URL.Host == "" {
		http.NotFound(w, r) // asked of the trap itself: nobody wanted to get out
		return
	}
	host := r.Host
	if _, _, err := net.SplitHostPort(host); err != nil {
		host = net.JoinHostPort(r.URL.Hostname(), "80")
	}
	t.mu.Lock()
	if len(t.hosts) < maxDialled {
		t.hosts[host] = struct{}{}
	}
	t.mu.Unlock()
	http.Error(w, "modferry check lets nothing through but requests to the shim", http.StatusForbidden)
}

// dialled returns where something wanted to go.
func (t *trap) dialled() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Sorted(maps.Keys(t.hosts))
}

// environ is what makes a command and all it starts walk into the trap, unless
// they want to reach the shim.
func (t *trap) environ(shim string) []string {
	var env []string
	for _, name := range []string{"HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"} {
		env = append(env, name+"="+t.url)
	}
	direct := ""
	if u, err := url.Parse(shim); err == nil {
		direct = u.Host
	}
	return append(env, "NO_PROXY="+direct, "no_proxy="+direct)
}
