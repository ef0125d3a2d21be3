package registrytest

import (
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"time"

	"github.com/opencontainers/go-digest"
)

// Fault is something that goes wrong. The functions that return one say which
// requests it is for; On and Times narrow that down.
type Fault struct {
	method string
	kind   Kind
	ref    string
	times  int // left; -1 = always
	when   func(*Registry, Request) bool
	serve  func(r *Registry, w http.ResponseWriter, req *http.Request, l Request)
}

// On restricts a fault to requests of a method and kind; "" is any.
func (f Fault) On(method string, kind Kind) Fault {
	f.method, f.kind = method, kind
	return f
}

// For restricts a fault to requests for a tag or digest, or for one of which ref
// is the beginning if it ends with "*".
func (f Fault) For(ref string) Fault {
	f.ref = ref
	return f
}

// Times restricts a fault to the first n requests it applies to.
func (f Fault) Times(n int) Fault {
	f.times = n
	return f
}

// Inject makes things go wrong from now on. The newest fault that applies to a request is the one that happens.
func (r *Registry) Inject(f Fault) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.faults = append(r.faults, &f)
}

// Heal removes all faults.
func (r *Registry) Heal() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.faults = nil
}

func (r *Registry) takeFault(l Request) *Fault {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i := len(r.faults) - 1; i >= 0; i-- {
		if f := r.faults[i]; f.times != 0 && f.matches(l) && (f.when == nil || f.when(r, l)) {
			if f.times > 0 {
				f.times--
			}
			return f
		}
	}
	return nil
}

func (f *Fault) matches(l Request) bool {
	prefix, wild := strings.CutSuffix(f.ref, "*")
	return (f.method == "" || f.method == l.Method) &&
		(f.kind == "" || f.kind == l.Kind) &&
		(f.ref == "" || f.ref == l.Reference || wild && strings.HasPrefix(l.Reference, prefix))
}

// Answer makes every request fail with a status and an OCI error.
func Answer(status int, code, message string) Fault {
	return Fault{times: -1, serve: func(_ *Registry, w http.ResponseWriter, _ *http.Request, _ Request) {
		writeError(w, status, code, message)
	}}
}

// Denied is an account without the right to do something.
func Denied() Fault {
	return Answer(http.StatusForbidden, "DENIED", "requested access to the resource is denied")
}

// InternalError is a registry whose storage is broken.
func InternalError() Fault {
	return Answer(http.StatusInternalServerError, "UNKNOWN", "unknown error")
}

// ServiceUnavailable is a proxy in front of a registry that is not running.
func ServiceUnavailable() Fault {
	return webPage(http.StatusServiceUnavailable, "503 Service Temporarily Unavailable")
}

// HTMLNotFound is a web server that is no registry.
func HTMLNotFound() Fault { return webPage(http.StatusNotFound, "404 Not Found") }

func webPage(status int, title string) Fault {
	return Fault{times: -1, serve: func(_ *Registry, w http.ResponseWriter, _ *http.Request, _ Request) {
		w.Header().Set("Content-Type", "text/html")
		w.WriteHeader(status)
		io.WriteString(w, "<html><h1>"+title+"</h1></html>")
	}}
}

// RateLimited is a registry that wants to be left alone for a while.
func RateLimited(wait time.Duration) Fault {
	return Fault{times: -1, serve: func(_ *Registry, w http.ResponseWriter, _ *http.Request, _ Request) {
		w.Header().Set("Retry-After", strconv.Itoa(int(wait.Seconds())))
		writeError(w, http.StatusTooManyRequests, "TOOMANYREQUESTS", "rate limit exceeded")
	}}
}

// SlowHeaders is a registry that takes a request and never answers it.
func SlowHeaders() Fault {
	return Fault{times: -1, serve: func(_ *Registry, _ http.ResponseWriter, req *http.Request, _ Request) {
		io.Copy(io.Discard, req.Body) // only then the end of the connection is noticed
		<-req.Context().Done()
	}}
}

// SlowBody is a registry that stops in the middle of an answer's body.
func SlowBody() Fault {
	return tampered(func(w http.ResponseWriter, req *http.Request, header http.Header, body []byte) {
		send(w, header, body[:len(body)/2], len(body))
		http.NewResponseController(w).Flush()
		<-req.Context().Done()
	})
}

// TruncatedBody is a connection that breaks in the middle of an answer's body.
func TruncatedBody() Fault {
	return tampered(func(w http.ResponseWriter, _ *http.Request, header http.Header, body []byte) {
		send(w, header, body[:len(body)/2], len(body))
		http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	})
}

// WrongContentLength is an answer that is shorter than the content, and says so.
func WrongContentLength() Fault {
	return tampered(func(w http.ResponseWriter, _ *http.Request, header http.Header, body []byte) {
		send(w, header, body[:len(body)-1], len(body)-1)
	})
}

// WrongDigestBody is a registry whose storage has rotted: one bit is wrong.
func WrongDigestBody() Fault {
	return tampered(func(w http.ResponseWriter, _ *http.Request, header http.Header, body []byte) {
		body[len(body)/2] ^= 1
		send(w, header, body, len(body))
	})
}

// HugeManifest is a manifest of more than 4 MiB, with Content-Length or without.
func HugeManifest(chunked bool) Fault {
	f := tampered(func(w http.ResponseWriter, _ *http.Request, header http.Header, body []byte) {
		body = append(body, strings.Repeat(" ", 4<<20)...)
		header.Set("Docker-Content-Digest", digest.FromBytes(body).String())
		length := len(body)
		if chunked {
			length = -1
		}
		send(w, header, body, length)
	})
	f.kind = Manifest
	return f
}

// tampered makes a fault out of what becomes of the right answer to a GET.
func tampered(send func(w http.ResponseWriter, req *http.Request, header http.Header, body []byte)) Fault {
	return Fault{method: http.MethodGet, times: -1, serve: func(r *Registry, w http.ResponseWriter, req *http.Request, l Request) {
		right := httptest.NewRecorder()
		r.serve(right, req, l)
		if right.Code != http.StatusOK {
			maps.Copy(w.Header(), right.Header())
			w.WriteHeader(right.Code)
			w.Write(right.Body.Bytes())
			return
		}
		send(w, req, right.Header(), right.Body.Bytes())
	}}
}

func send(w http.ResponseWriter, header http.Header, body []byte, length int) {
	maps.Copy(w.Header(), header)
	w.Header().Del("Content-Length")
	if length >= 0 {
		w.Header().Set("Content-Length", fmt.Sprint(length))
	}
	w.WriteHeader(http.StatusOK)
	w.Write(body)
}
