package record

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"reflect"
	"strings"
	"sync"
	"testing"
	"testing/iotest"

	"golang.org/x/mod/module"
)

// source is a Source with its files in memory; asked are the names it was asked for.
type source struct {
	files  map[string]string
	errors map[string]error
	cut    map[string]bool // fail in the middle

	mu    sync.Mutex
	asked []string
}

func (s *source) Open(_ context.Context, name string) (io.ReadCloser, error) {
	s.mu.Lock()
	s.asked = append(s.asked, name)
	s.mu.Unlock()
	if err := s.errors[name]; err != nil {
		return nil, err
	}
	text, ok := s.files[name]
	if !ok {
		return nil, fmt.Errorf("%s: %w", name, fs.ErrNotExist)
	}
	if s.cut[name] {
		return io.NopCloser(io.MultiReader(strings.NewReader(text), iotest.ErrReader(errors.New("the line broke")))), nil
	}
	return io.NopCloser(strings.NewReader(text)), nil
}

func newSource() *source {
	return &source{errors: make(map[string]error), cut: make(map[string]bool), files: map[string]string{
		"example.com/!up/@v/list":                                             "v1.0.0\nv1.1.0\n",
		"example.com/!up/@latest":                                             `{"Version":"v1.1.0"}`,
		"example.com/!up/@v/v1.0.0.info":                                      `{"Version":"v1.0.0"}`,
		"example.com/!up/@v/v1.0.0.mod":                                       "module example.com/Up\n",
		"example.com/!up/@v/v1.0.0.zip":                                       strings.Repeat("zip ", 1<<20),
		"example.com/!up/@v/main.info":                                        `{"Version":"v1.1.1-0.20260102030405-0123456789ab"}`,
		"example.com/!up/@v/0123456.info":                                     `{"Version":"v1.1.0","Origin":{"Hash":"0123456789abcdef0123456789abcdef01234567"}}`,
		"example.com/!up/@v/v2.0.0.info":                                      `{"Version":"v2.0.0+incompatible"}`,
		"example.com/!up/@v/broken.info":                                      `{"Version":"v1.1.0`,
		"example.com/!up/@v/odd.info":                                         `{"Version":"v1"}`,
		"sumdb/sum.example.com/supported":                                     "",
		"sumdb/sum.example.com/lookup/example.com/!up@v1.0.0":                 "1\n",
		"sumdb/sum.example.com/tile/8/0/x001/234":                             "tile",
		"golang.org/toolchain/@v/v0.0.1-go1.26.8.linux-amd64.zip":             "go",
		"example.com/!up/@v/v0.0.0-20260102030405-abcdefabcdef.mod":           "module example.com/Up\n",
		"example.com/!up/@v/v1.2.3-pre.2.info":                                `{"Version":"v1.2.3-pre.2"}`,
		"example.com/!up/@v/" + strings.Repeat("a", 64) + ".info":             `{"Version":"v1.1.0"}`,
		"example.com/!up/@v/v1.1.1-0.20260102030405-0123456789ab.mod":         "module example.com/Up\n",
		"example.com/unrelated/@v/v3.0.0-20260102030405-abcdefabcdef.info":    `{"Version":"v3.0.0-20260102030405-abcdefabcdef"}`,
		"example.com/incompatible/@v/v3.0.0+incompatible.zip":                 "zip",
		"sumdb/log.example.com/with/path/lookup/example.com/!up@v1.0.0":       "1\n",
		"example.com/!up/@v/v1.0.0-!r!c1.info":                                `{"Version":"v1.0.0-RC1"}`,
		"sumdb/sum.example.com/lookup/golang.org/toolchain@v0.0.1-go1.26.8.x": "2\n",
	}}
}

func listen(t *testing.T, src Source) *Proxy {
	t.Helper()
	p, err := Listen(src, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	})
	return p
}

func get(t *testing.T, s *Proxy, name string) (status int, body string, err error) {
	t.Helper()
	resp, err := http.Get(s.URL() + "/" + name)
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(data), err
}

func mustGet(t *testing.T, s *Proxy, want int, names ...string) {
	t.Helper()
	for _, name := range names {
		if status, body, err := get(t, s, name); err != nil || status != want {
			t.Errorf("GET %s: %d %.200q, %v, want %d", name, status, body, err, want)
		}
	}
}

func mod(s string) module.Version {
	path, version, _ := strings.Cut(s, "@")
	return module.Version{Path: path, Version: version}
}

func TestServesTheBytesOfTheSource(t *testing.T) {
	src := newSource()
	s := listen(t, src)
	for name, want := range src.files {
		status, body, err := get(t, s, name)
		if err != nil || status != http.StatusOK || body != want {
			t.Errorf("GET %s: %d, %d bytes, %v", name, status, len(body), err)
		}
	}
}

func TestRecordsWhatWasFetched(t *testing.T) {
	const pseudo = "v1.1.1-0.20260102030405-0123456789ab"
	tests := map[string]struct {
		names   []string
		fetched []Fetched
	}{
		"nothing":                       {},
		"lists are not recorded":        {names: []string{"example.com/!up/@v/list"}},
		"the checksum database neither": {names: []string{"sumdb/sum.example.com/supported", "sumdb/sum.example.com/lookup/example.com/!up@v1.0.0"}},
		"files of a version": {
			names: []string{"example.com/!up/@v/v1.0.0.info", "example.com/!up/@v/v1.0.0.mod", "example.com/!up/@v/v1.0.0.zip", "example.com/!up/@v/v1.0.0.zip"},
			fetched: []Fetched{
				{Module: mod("example.com/Up@v1.0.0"), GoMod: true, Zip: true},
			},
		},
		"sorted, mod only": {
			names: []string{"golang.org/toolchain/@v/v0.0.1-go1.26.8.linux-amd64.zip", "example.com/!up/@v/v1.0.0.mod", "example.com/!up/@v/v0.0.0-20260102030405-abcdefabcdef.mod"},
			fetched: []Fetched{
				{Module: mod("example.com/Up@v0.0.0-20260102030405-abcdefabcdef"), GoMod: true},
				{Module: mod("example.com/Up@v1.0.0"), GoMod: true},
				{Module: mod("golang.org/toolchain@v0.0.1-go1.26.8.linux-amd64"), Zip: true},
			},
		},
		"what latest means": {
			names:   []string{"example.com/!up/@latest"},
			fetched: []Fetched{{Module: mod("example.com/Up@v1.1.0")}},
		},
		"a branch": {
			names:   []string{"example.com/!up/@v/main.info", "example.com/!up/@v/" + pseudo + ".mod"},
			fetched: []Fetched{{Module: mod("example.com/Up@" + pseudo), GoMod: true, Revisions: []string{"main"}}},
		},
		"a commit is named in full": {
			names:   []string{"example.com/!up/@v/0123456.info"},
			fetched: []Fetched{{Module: mod("example.com/Up@v1.1.0"), Revisions: []string{"0123456789abcdef0123456789abcdef01234567"}}},
		},
		"v2.0.0 for v2.0.0+incompatible is no revision": {
			names:   []string{"example.com/!up/@v/v2.0.0.info"},
			fetched: []Fetched{{Module: mod("example.com/Up@v2.0.0+incompatible")}},
		},
		"answers that name no version": {names: []string{"example.com/!up/@v/broken.info", "example.com/!up/@v/odd.info"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			s := listen(t, newSource())
			mustGet(t, s, http.StatusOK, test.names...)
			if got := s.Fetched(); len(got)+len(test.fetched) > 0 && !reflect.DeepEqual(got, test.fetched) {
				t.Errorf("fetched\n%v, want\n%v", got, test.fetched)
			}
			if got := s.Failed(); len(got) > 0 {
				t.Errorf("failed: %v", got)
			}
		})
	}
}

type sourceFunc func(context.Context, string) (io.ReadCloser, error)

func (f sourceFunc) Open(ctx context.Context, name string) (io.ReadCloser, error) {
	return f(ctx, name)
}

func TestAProxyThatIsClosedServesNothingAndRemembers(t *testing.T) {
	p, err := Listen(newSource(), nil)
	if err != nil {
		t.Fatal(err)
	}
	mustGet(t, p, http.StatusOK, "example.com/!up/@v/v1.0.0.mod")
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
	if status, _, err := get(t, p, "example.com/!up/@v/v1.0.0.zip"); err == nil {
		t.Errorf("it answered %d", status)
	}
	if got := p.Fetched(); len(got) != 1 || got[0].Zip {
		t.Errorf("closed: %v", got)
	}
}
