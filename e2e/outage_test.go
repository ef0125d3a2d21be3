package e2e

import (
	"io"
	"net"
	"os"
	"sync"
)

// outage takes a store away and brings it back.
type outage interface {
	begin() error
	end() error
}

// outageKey finds the store's outage in a script's values.
type outageKey struct{}

// layoutOutage is an oci: directory that is not mounted for a while.
type layoutOutage string

func (dir layoutOutage) begin() error { return os.Rename(string(dir), string(dir)+".away") }
func (dir layoutOutage) end() error   { return os.Rename(string(dir)+".away", string(dir)) }

// relay stands before a registry and passes bytes on, until the line is cut.
type relay struct {
	listener net.Listener

	mu     sync.Mutex
	target string
	cut    bool
	conns  map[net.Conn]struct{}
}

func startRelay(target string) (*relay, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	r := &relay{target: target, listener: l, conns: map[net.Conn]struct{}{}}
	go r.accept()
	return r, nil
}

func (r *relay) accept() {
	for {
		c, err := r.listener.Accept()
		if err != nil {
			return
		}
		go r.serve(c)
	}
}

func (r *relay) serve(client net.Conn) {
	defer client.Close()
	r.mu.Lock()
	target := r.target
	r.mu.Unlock()
	server, err := net.Dial("tcp", target)
	if err != nil {
		return
	}
	defer server.Close()
	if !r.add(client, server) {
		return
	}
	defer r.remove(client, server)
	done := make(chan struct{}, 2)
	pass := func(dst, src net.Conn) {
		io.Copy(dst, src) //nolint:errcheck // either side may hang up
		done <- struct{}{}
	}
	go pass(server, client)
	go pass(client, server)
	<-done
}

func (r *relay) add(conns ...net.Conn) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.cut {
		return false
	}
	for _, c := range conns {
		r.conns[c] = struct{}{}
	}
	return true
}

func (r *relay) remove(conns ...net.Conn) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, c := range conns {
		delete(r.conns, c)
	}
}

func (r *relay) begin() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.cut = true
	for c := range r.conns {
		c.Close()
	}
	return nil
}

func (r *relay) end() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.cut = false
	return nil
}

// lead leads to another registry from now on.
func (r *relay) lead(target string) {
	r.begin() //nolint:errcheck // never fails
	r.mu.Lock()
	defer r.mu.Unlock()
	r.target, r.cut = target, false
}

func (r *relay) close() {
	r.begin() //nolint:errcheck // never fails
	r.listener.Close()
}
