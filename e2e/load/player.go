package load

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/mod/module"
	"golang.org/x/sync/errgroup"
)

// A Target is a version that is asked for.
type Target struct {
	module.Version
	ModOnly bool // there is no zip
}

// A Player plays sessions against shims.
type Player struct {
	Shims []string // URLs; a load balancer gives each connection to another one
	TLS   *tls.Config
	Log   string // the name of the checksum database; "" = it is not asked

	// Version returns the k-th version of those that a project needs, the same each time.
	Version func(project, k int) Target

	next atomic.Int64 // connection
}

// request is one of a session.
type request struct {
	kind, path string
	status     int // that is expected
}

// Play plays a session of a project, with connections of its own as each go command has, and records it. With pauses it
// leaves the shim alone for as long as the session did; else one request follows the other.
func (p *Player) Play(ctx context.Context, s Session, project int, pauses bool, to *Result) error {
	client := p.client(to)
	defer client.CloseIdleConnections()
	tiles := NewProof(p.Log)
	for _, kind := range Kinds {
		began := time.Now()
		requests := p.requests(s, kind, project, tiles)
		g, ctx := errgroup.WithContext(ctx)
		g.SetLimit(max(1, s.Parallel))
		for _, r := range requests {
			g.Go(func() error { return p.ask(ctx, client, r, tiles, to) })
		}
		if err := g.Wait(); err != nil {
			return fmt.Errorf("%s of %s: %w", s.Command, s.Project, err)
		}
		if pauses && s.Idle > 0 && len(requests) > 0 {
			pause(ctx, time.Duration(float64(time.Since(began))*s.Idle/(1-min(s.Idle, 0.9))))
		}
	}
	return nil
}

func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

// client returns a client with the transport of the go command, which is net/http's own.
func (p *Player) client(to *Result) *http.Client {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.Proxy, t.TLSClientConfig = nil, p.TLS
	dialer := &net.Dialer{}
	t.DialContext = func(ctx context.Context, network, addr string) (net.Conn, error) {
		to.connections.Add(1)
		if addr == balanced {
			_, addr, _ = strings.Cut(p.Shims[int(p.next.Add(1))%len(p.Shims)], "://")
		}
		return dialer.DialContext(ctx, network, addr)
	}
	return &http.Client{Transport: t}
}

// balanced is the address of the load balancer, which TLS certificates for this machine are good for.
const balanced = "127.0.0.1:1"

// url returns the URL of a path at the load balancer.
func (p *Player) url(path string) string {
	scheme, _, _ := strings.Cut(p.Shims[0], "://")
	return scheme + "://" + balanced + "/" + path
}

// ask makes a request and records it. Another answer than the expected one is an error.
func (p *Player) ask(ctx context.Context, client *http.Client, r request, tiles *Proof, to *Result) error {
	began := time.Now()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, p.url(r.path), nil)
	if err != nil {
		return err
	}
	resp, err := client.Do(req)
	if err != nil {
		return to.failed(r.kind, err)
	}
	defer resp.Body.Close()
	var body strings.Builder
	w := io.Discard
	if r.kind == "lookup" || resp.StatusCode != r.status {
		w = &body
	}
	n, err := io.Copy(w, resp.Body)
	if resp.StatusCode != r.status {
		err = fmt.Errorf("%s: %s: %.300s", r.path, resp.Status, body.String())
	}
	if err != nil {
		return to.failed(r.kind, err)
	}
	to.answered(r.kind, n, resp.ProtoMajor, time.Since(began))
	if r.kind == "lookup" {
		return tiles.Add(body.String())
	}
	return nil
}

// requests returns those of a kind in a session.
func (p *Player) requests(s Session, kind string, project int, tiles *Proof) []request {
	n := s.Requests[kind]
	if p.Log == "" && (kind == "supported" || kind == "lookup" || kind == "tile") {
		return nil
	}
	var requests []request
	switch kind {
	case "tile":
		for _, path := range tiles.Paths(n) {
			requests = append(requests, request{kind, path, http.StatusOK})
		}
		return requests
	case "revision": // what a branch was when it was recorded: rare, and as a version to a shim
		return nil
	}
	for k := 0; len(requests) < n; k++ {
		v := p.Version(project, k)
		if v.ModOnly && (kind == "zip" || kind == "list" || kind == "latest") {
			continue
		}
		requests = append(requests, p.request(kind, v, k))
	}
	return requests
}

func (p *Player) request(kind string, v Target, k int) request {
	path, _ := module.EscapePath(v.Path) // it has been mirrored
	version, _ := module.EscapeVersion(v.Version.Version)
	switch kind {
	case "supported":
		return request{kind, "sumdb/" + p.Log + "/supported", http.StatusOK}
	case "lookup":
		path, _ := LookupPath(p.Log, v.Version)
		return request{kind, path, http.StatusOK}
	case "list":
		return request{kind, path + "/@v/list", http.StatusOK}
	case "latest":
		return request{kind, path + "/@latest", http.StatusOK}
	case Absent:
		return request{kind, fmt.Sprintf("%s/@v/v0.0.%d-0.20200101000000-000000000000.info", path, k), http.StatusNotFound}
	}
	return request{kind, path + "/@v/" + version + "." + kind, http.StatusOK}
}
