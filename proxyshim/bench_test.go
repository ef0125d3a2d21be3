package proxyshim

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/textproto"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/mod/module"
	"golang.org/x/sync/errgroup"
)

// lean is an HTTP client that costs next to nothing, so that a benchmark measures the server.
type lean struct {
	conn    net.Conn
	r       *bufio.Reader
	request []byte
}

func newLean(b *testing.B, url, path string) *lean {
	b.Helper()
	host := strings.TrimPrefix(url, "http://")
	conn, err := net.Dial("tcp", host)
	check(b, err)
	b.Cleanup(func() { _ = conn.Close() })
	return &lean{conn, bufio.NewReaderSize(conn, 64<<10), fmt.Appendf(nil, "GET %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: Go-http-client/1.1\r\n\r\n", path, host)}
}

// get makes a request and returns the status and the size of the answer.
func (l *lean) get(b *testing.B) (status string, size int64) {
	_, err := l.conn.Write(l.request)
	check(b, err)
	line, err := l.r.ReadSlice('\n')
	check(b, err)
	status = string(line[9:12])
	for {
		line, err := l.r.ReadSlice('\n')
		check(b, err)
		if len(line) <= 2 {
			break
		}
		name, value, _ := bytes.Cut(line, []byte(": "))
		if textproto.CanonicalMIMEHeaderKey(string(name)) == "Content-Length" {
			size, err = strconv.ParseInt(string(bytes.TrimSpace(value)), 10, 64)
			check(b, err)
		}
	}
	_, err = io.CopyN(io.Discard, l.r, size)
	check(b, err)
	return status, size
}

// BenchmarkWarm compares the shim with http.FileServer over the same files.
func BenchmarkWarm(b *testing.B) {
	e := newEnv(b, func(o *Options) { o.Absent = time.Hour; o.Now = time.Now })
	e.publish(content{m: lib})
	e.publish(content{m: version(0), size: 4 << 20})
	files := b.TempDir()
	for _, bench := range []struct{ name, path, status string }{
		{"info", libURL + ".info", "200"},
		{"mod", libURL + ".mod", "200"},
		{"zip", "/example.com/big/@v/v1.0.0.zip", "200"},
		{"list", "/example.com/lib/@v/list", "200"},
		{"latest", "/example.com/lib/@latest", "200"},
		{"absent", "/example.com/lib/@v/v1.9.9.info", "404"},
	} {
		status, body := e.get(bench.path)
		if status == http.StatusOK {
			name := filepath.Join(files, filepath.FromSlash(bench.path))
			check(b, os.MkdirAll(filepath.Dir(name), 0o755))
			check(b, os.WriteFile(name, []byte(body), 0o644))
		}
		plain := httptest.NewServer(http.FileServer(http.Dir(files)))
		for _, server := range []struct{ name, url string }{{"shim", e.url}, {"fileserver", plain.URL}} {
			b.Run("path="+bench.name+"/server="+server.name, func(b *testing.B) {
				client := newLean(b, server.url, bench.path)
				before := e.transport.count()
				b.ReportAllocs()
				for b.Loop() {
					got, size := client.get(b)
					if got != bench.status {
						b.Fatal(got)
					}
					if size > 1<<20 {
						b.SetBytes(size)
					}
				}
				if n := e.transport.count() - before; n > 0 {
					b.Errorf("%d registry requests", n)
				}
			})
		}
		plain.Close()
	}
}

// BenchmarkCold fetches a session of versions through a shim with an empty cache,
// and the same manifests and zip layers from the registry itself.
func BenchmarkCold(b *testing.B) {
	const versions, parallel = 100, 10
	e := newEnv(b, func(o *Options) { o.Now = time.Now })
	registryURL := "http://" + strings.TrimSuffix(e.store.String(), "/golang") + "/v2/golang"
	var shim, raw []string
	for i := range versions {
		m := module.Version{Path: fmt.Sprintf("example.com/m%d", i), Version: "v1.0.0"}
		a := e.publish(content{m: m, modOnly: i%2 == 0, size: 100 << 10})
		shim = append(shim, "/"+m.Path+"/@v/v1.0.0.info", "/"+m.Path+"/@v/v1.0.0.mod")
		if a.Manifest.ModOnly() {
			raw = append(raw, registryURL+"/"+m.Path+"/manifests/v1.0.0.mod")
			continue
		}
		shim = append(shim, "/"+m.Path+"/@v/v1.0.0.zip")
		raw = append(raw, registryURL+"/"+m.Path+"/manifests/v1.0.0", registryURL+"/"+m.Path+"/blobs/"+a.Manifest.Zip.Digest.String())
	}
	b.Run("server=shim", func(b *testing.B) {
		for b.Loop() {
			b.StopTimer()
			e.t = b
			e.restart(func(o *Options) { o.CacheDir = b.TempDir() })
			urls := slices.Clone(shim)
			for i := range urls {
				urls[i] = e.url + urls[i]
			}
			b.StartTimer()
			fetchAll(b, urls, parallel)
		}
	})
	b.Run("server=registry", func(b *testing.B) {
		for b.Loop() {
			fetchAll(b, raw, parallel)
		}
	})
}

// fetchAll gets all URLs, some at a time.
func fetchAll(b *testing.B, urls []string, parallel int) {
	var g errgroup.Group
	g.SetLimit(parallel)
	for _, url := range urls {
		g.Go(func() error {
			r, err := http.NewRequest(http.MethodGet, url, nil)
			if err != nil {
				return err
			}
			r.Header.Set("Accept", ocispec.MediaTypeImageManifest)
			resp, err := http.DefaultClient.Do(r)
			if err != nil {
				return err
			}
			defer resp.Body.Close()
			if resp.StatusCode != http.StatusOK {
				return fmt.Errorf("%s: %s", url, resp.Status)
			}
			_, err = io.Copy(io.Discard, resp.Body)
			return err
		})
	}
	check(b, g.Wait())
}

// BenchmarkStart is the time from New to the first answer, on a cache of 1,000 versions.
func BenchmarkStart(b *testing.B) {
	e := newEnv(b, func(o *Options) { o.Now = time.Now; o.CacheMax = 1 << 30 })
	e.publish(content{m: lib})
	e.want(libURL+".zip", http.StatusOK, "PK")

	at := filepath.Join(e.options.CacheDir, "example.com/lib/@v")
	for i := range 1000 {
		dir := filepath.Join(e.options.CacheDir, fmt.Sprintf("example.com/m%d/@v", i))
		check(b, os.CopyFS(dir, os.DirFS(at)))
	}
	for b.Loop() {
		h, err := New(e.options)
		check(b, err)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, libURL+".info", nil))
		if w.Code != http.StatusOK {
			b.Fatal(w.Code)
		}
		b.StopTimer()
		check(b, h.Close())
		b.StartTimer()
	}
}

// BenchmarkSumDB answers for the checksum database out of the snapshot in memory and the tiles on disk.
func BenchmarkSumDB(b *testing.B) {
	l := loggedLog(b)
	e := newEnv(b, withLog(l), func(o *Options) { o.Now = time.Now })
	e.mirror(l, l.snapshot(nil), logged...)
	for _, bench := range []struct{ name, path string }{
		{"supported", "supported"},
		{"lookup", "lookup/example.com/lib@v1.2.3"},
		{"tile0", "tile/8/0/000"},
		{"tile1", "tile/8/1/000.p/4"},
	} {
		b.Run("path="+bench.name, func(b *testing.B) {
			e.want(logURL+"lookup/example.com/lib@v1.2.3", http.StatusOK, "0\n")
			client := newLean(b, e.url, logURL+bench.path)
			before := e.transport.count()
			b.ReportAllocs()
			for b.Loop() {
				if got, _ := client.get(b); got != "200" {
					b.Fatal(got)
				}
			}
			if n := e.transport.count() - before; n > 0 {
				b.Errorf("%d registry requests", n)
			}
		})
	}
}
