package e2e

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"sync"

	"github.com/rogpeppe/go-internal/testscript"
)

// outsideKey finds the script's outside world, an *outside, in its values.
type outsideKey struct{}

// outside is the network a client inside the gap cannot reach. It is the HTTP proxy of the client's go command,
// which uses none for loopback addresses: whatever goes elsewhere is seen here, and refused.
type outside struct {
	mu      sync.Mutex
	dialled []string
}

func (o *outside) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.dialled = append(o.dialled, r.Method+" "+r.Host)
	http.Error(w, "there is no way out of the gap", http.StatusBadGateway)
}

// client DIR makes the rest of the script a client inside the gap, with all it keeps in DIR: a go command as it
// comes out of the box, whose only setting is GOPROXY=$SHIM. That the test's checksum database is the one
// to believe has to be said to it, too: by its key, without an address.
func cmdClient(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 1 || neg {
		ts.Fatalf("usage: client DIR")
	}
	proxy := httptest.NewServer(ts.Value(outsideKey{}).(*outside))
	ts.Defer(proxy.Close)
	for name, value := range map[string]string{
		"GOPATH": ts.MkAbs(args[0]), "GOMODCACHE": "", "GOPROXY": ts.Getenv("SHIM"), "GOSUMDB": ts.Getenv("SUMDB_KEY"),
		"GOFLAGS": "", "GOPRIVATE": "", "GONOPROXY": "", "GONOSUMDB": "", "GOINSECURE": "",
		"HTTP_PROXY": proxy.URL, "HTTPS_PROXY": proxy.URL, "http_proxy": proxy.URL, "https_proxy": proxy.URL,
	} {
		ts.Setenv(name, value)
	}
}

// dialled succeeds when a client has tried to get out of the gap.
func cmdDialled(ts *testscript.TestScript, neg bool, args []string) {
	o := ts.Value(outsideKey{}).(*outside)
	o.mu.Lock()
	defer o.mu.Unlock()
	if (len(o.dialled) > 0) == neg {
		ts.Fatalf("dialled outside: %q", o.dialled)
	}
}

// status PATH CODE asks the shim for PATH and checks the status of the answer; the body is written to answer.
func cmdStatus(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 2 || neg {
		ts.Fatalf("usage: status PATH CODE")
	}
	resp, err := http.Get(ts.Getenv("SHIM") + "/" + args[0])
	ts.Check(err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	ts.Check(err)
	ts.Check(writeFile(ts.MkAbs("answer"), string(body)))
	if strconv.Itoa(resp.StatusCode) != args[1] {
		ts.Fatalf("%s: %s\n%s", args[0], resp.Status, body)
	}
}

// meddle PATTERN FILE|early|middle|end stands between the shim and the client, as a shim would that verifies nothing:
// answers to paths that match the pattern become FILE, or have a bit flipped. $GOPROXY is set to it.
func cmdMeddle(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 2 || neg {
		ts.Fatalf("usage: meddle PATTERN FILE|early|middle|end")
	}
	pattern, err := regexp.Compile(args[0])
	ts.Check(err)
	var change func(body []byte) []byte
	switch args[1] {
	case "early":
		change = func(body []byte) []byte { body[len(body)/5] ^= 1; return body }
	case "middle":
		change = func(body []byte) []byte { body[len(body)/2] ^= 1; return body }
	case "end":
		change = func(body []byte) []byte { body[len(body)-5] ^= 1; return body }
	default:
		file := []byte(ts.ReadFile(args[1]))
		change = func([]byte) []byte { return file }
	}
	target, err := url.Parse(ts.Getenv("SHIM"))
	ts.Check(err)
	meddler := httptest.NewServer(&httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(target) },
		ModifyResponse: func(r *http.Response) error {
			if r.StatusCode != http.StatusOK || !pattern.MatchString(r.Request.URL.Path) {
				return nil
			}
			body, err := io.ReadAll(r.Body)
			if err != nil {
				return err
			}
			body = change(body)
			r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
			r.Header.Set("Content-Length", strconv.Itoa(len(body)))
			return nil
		},
	})
	ts.Defer(meddler.Close)
	ts.Setenv("GOPROXY", strings.TrimSuffix(meddler.URL, "/"))
}
