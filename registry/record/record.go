// Package record is a GOPROXY server on loopback that remembers what its user
// fetched. What a go command fetched with an empty module cache is what it needs.
package record

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"golang.org/x/mod/module"

	"github.com/modferry/modferry/artifact/goproxy"
)

// Source is where a [Proxy] has its files from. Name is what follows the proxy's address in the GOPROXY protocol
// (https://go.dev/ref/mod#goproxy-protocol), always well formed:
//
//	<escaped path>/@v/list
//	<escaped path>/@v/<escaped version or revision>.info
//	<escaped path>/@v/<escaped version>.mod and .zip
//	<escaped path>/@latest
//	sumdb/…                                   checked as a file path only
//
// An error that is fs.ErrNotExist says that there is no such file. The go command
// is shown the text of every other one. Open is called concurrently.
type Source interface {
	Open(ctx context.Context, name string) (io.ReadCloser, error)
}

// Proxy is a GOPROXY server on a free port of loopback that remembers what was fetched. Its address cannot be
// guessed, so that other people on the machine cannot fetch through it what they may not see. It is safe for concurrent use.
type Proxy struct {
	src    Source
	log    *slog.Logger
	server *http.Server
	base   string        // http://127.0.0.1:port/
	secret string        // the first element of every path
	done   chan struct{} // closed when the server has ended

	mu      sync.Mutex
	fetched map[module.Version]Fetched
	failed  map[goproxy.File]error
	lacking int                     // see Lacking
	hidden  func(goproxy.File) bool // nil = nothing is
}

// Listen starts a proxy; it serves until [Proxy.Close]. A nil log is silent.
func Listen(src Source, log *slog.Logger) (*Proxy, error) {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("starting the recording proxy: %w", err)
	}
	p := &Proxy{
		src: src, log: log, base: "http://" + l.Addr().String() + "/", secret: rand.Text(), done: make(chan struct{}),
		fetched: make(map[module.Version]Fetched), failed: make(map[goproxy.File]error),
	}
	p.server = &http.Server{
		Handler:           http.HandlerFunc(p.serve),
		ReadHeaderTimeout: 10 * time.Second,
		MaxHeaderBytes:    64 << 10,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
	go func() {
		defer close(p.done)
		if err := p.server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			log.Error("the recording proxy ended", "error", err)
		}
	}()
	return p, nil
}

// Close ends the proxy and its connections. What it recorded stays.
func (p *Proxy) Close() error {
	err := p.server.Close()
	<-p.done
	return err
}

// URL returns the proxy's address, for GOPROXY.
func (p *Proxy) URL() string { return p.base + p.secret }
