package listen

import (
	"net"
	"net/http"
	"strings"
	"sync"

	"github.com/modferry/modferry/proxyshim/access"
)

// LimitDownloads has each client download at most n zips at a time from h; others wait for their turn. A client is who
// shows a credential, else an address. 0 is no limit.
func LimitDownloads(h http.Handler, n int) http.Handler {
	if n <= 0 {
		return h
	}
	l := &limiter{n: n, clients: make(map[string]*turns)}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !strings.HasSuffix(r.URL.Path, ".zip") {
			h.ServeHTTP(w, r)
			return
		}
		client := clientName(r)
		t := l.enter(client)
		defer l.leave(client)
		select {
		case t.slots <- struct{}{}:
			defer func() { <-t.slots }()
			h.ServeHTTP(w, r)
		case <-r.Context().Done():
		}
	})
}

// limiter knows the clients that download something.
type limiter struct {
	n       int
	mu      sync.Mutex
	clients map[string]*turns
}

// turns are those of one client.
type turns struct {
	slots    chan struct{}
	requests int // under way or waiting
}

func (l *limiter) enter(client string) *turns {
	l.mu.Lock()
	defer l.mu.Unlock()
	t := l.clients[client]
	if t == nil {
		t = &turns{slots: make(chan struct{}, l.n)}
		l.clients[client] = t
	}
	t.requests++
	return t
}

func (l *limiter) leave(client string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if t := l.clients[client]; t.requests > 1 {
		t.requests--
	} else {
		delete(l.clients, client)
	}
}

// clientName returns who a request is from: the name of who shows a credential, else the address.
func clientName(r *http.Request) string {
	if c := access.From(r.Context()); c != nil && c.Name != "" {
		return "name " + c.Name
	}
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		host = r.RemoteAddr
	}
	return "address " + host
}
