package proxyshim

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/mod/module"
)

// temporary lists the temporary files in the cache directory.
func (e *env) temporary() []string {
	e.t.Helper()
	files, err := filepath.Glob(filepath.Join(e.options.CacheDir, ".tmp", "*"))
	check(e.t, err)
	return files
}

// size returns the bytes in the cache directory.
func (e *env) size() int64 {
	e.t.Helper()
	var total int64
	for _, name := range e.files() {
		fi, err := os.Stat(name)
		check(e.t, err)
		total += fi.Size()
	}
	return total
}

func version(i int) module.Version {
	return module.Version{Path: "example.com/big", Version: fmt.Sprintf("v1.0.%d", i)}
}

func (e *env) wantZip(i int) {
	e.t.Helper()
	e.want(fmt.Sprintf("/example.com/big/@v/v1.0.%d.zip", i), http.StatusOK, "PK")
}

func (e *env) cached(i int) bool {
	_, err := os.Stat(filepath.Join(e.options.CacheDir, fmt.Sprintf("example.com/big/@v/v1.0.%d.zip", i)))
	return err == nil
}

func TestTheLeastRecentlyUsedIsEvicted(t *testing.T) {
	const limit = 350 << 10
	e := newEnv(t, func(o *Options) { o.CacheMax = limit })
	for i := range 5 {
		e.publish(content{m: version(i), size: 100 << 10})
	}
	use := func(i int) {
		t.Helper()
		e.clock.advance(2 * time.Minute)
		e.wantZip(i)
		if n := e.size(); n > limit {
			t.Errorf("cache has %d bytes", n)
		}
	}
	use(0)
	use(1)
	use(2)
	use(0)
	use(3)
	for i, want := range []bool{true, false, true, true} {
		if e.cached(i) != want {
			t.Errorf("version %d cached: %v, want %v", i, !want, want)
		}
	}
	e.restart() // a new process knows the order from the disk
	use(2)
	e.restart()
	use(4)
	for i, want := range []bool{false, false, true, true, true} {
		if e.cached(i) != want {
			t.Errorf("after a restart: version %d cached: %v, want %v", i, !want, want)
		}
	}
	for i := range 5 {
		use(i)
	}
}

func TestAZipLargerThanTheCacheIsServed(t *testing.T) {
	e := newEnv(t, func(o *Options) { o.CacheMax = 10 << 10 })
	for i := range 3 {
		e.publish(content{m: version(i), size: 100 << 10})
	}
	var clients sync.WaitGroup
	for i := range 9 {
		clients.Go(func() {
			if w := e.serve(t.Context(), fmt.Sprintf("/example.com/big/@v/v1.0.%d.zip", i%3)); w.Code != http.StatusOK {
				t.Errorf("%d: %s", w.Code, w.Body)
			}
		})
	}
	clients.Wait()
}

func TestALoweredLimitIsAppliedAtStart(t *testing.T) {
	e := newEnv(t)
	for i := range 3 {
		e.publish(content{m: version(i), size: 100 << 10})
		e.wantZip(i)
	}
	e.restart(func(o *Options) { o.CacheMax = 150 << 10 })
	check(t, e.handler.Close())
	if n := e.size(); n > 150<<10 {
		t.Errorf("cache has %d bytes", n)
	}
}

func TestTwoHandlersShareADirectory(t *testing.T) {
	e := newEnv(t, func(o *Options) { o.CacheMax = 500 << 10 })
	const versions = 6
	for i := range versions {
		e.publish(content{m: version(i), size: 100 << 10})
	}
	second, other := e.start(e.options)
	var clients sync.WaitGroup
	for _, url := range []string{e.url, other} {
		for c := range 3 {
			clients.Go(func() {
				for i := range 3 * versions {
					path := fmt.Sprintf("%s/example.com/big/@v/v1.0.%d.zip", url, (i+c)%versions)
					resp, err := http.Get(path)
					if err != nil {
						t.Error(err)
						return
					}
					body, err := io.ReadAll(resp.Body)
					resp.Body.Close()
					if err != nil || resp.StatusCode != http.StatusOK || len(body) < 100<<10 {
						t.Errorf("%s: %d, %d bytes, %v", path, resp.StatusCode, len(body), err)
					}
				}
			})
		}
	}
	clients.Wait()
	check(t, e.handler.Close())
	check(t, second.Close())
	if left := e.temporary(); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestAnotherHandlersFilesNeedNoRequests(t *testing.T) {
	e := newEnv(t)
	e.publish(content{m: lib})
	e.want(libURL+".zip", http.StatusOK, "PK")
	e.want("/example.com/lib/@v/list", http.StatusOK, "v1.2.3")

	_, e.url = e.start(e.options)
	got := e.requests(func() {
		for _, path := range []string{libURL + ".info", libURL + ".mod", libURL + ".zip", "/example.com/lib/@v/list", "/example.com/lib/@latest"} {
			e.want(path, http.StatusOK, "")
		}
	})
	if len(got) > 0 {
		t.Errorf("requests: %v", got)
	}
}

func TestFilesRemovedUnderneathAreFetchedAgain(t *testing.T) {
	e := newEnv(t)
	e.publish(content{m: lib})
	e.want(libURL+".zip", http.StatusOK, "PK")

	check(t, os.RemoveAll(e.options.CacheDir))
	for _, ext := range []string{".info", ".mod", ".zip"} {
		e.want(libURL+ext, http.StatusOK, "")
	}
}

func TestLeftoversOfAKilledProcessAreRemoved(t *testing.T) {
	e := newEnv(t)
	dir := filepath.Join(e.options.CacheDir, ".tmp")
	old, recent := filepath.Join(dir, "old"), filepath.Join(dir, "recent")
	for _, name := range []string{old, recent} {
		check(t, os.WriteFile(name, []byte("part"), 0o644))
	}
	long := time.Now().Add(-2 * time.Hour)
	check(t, os.Chtimes(old, long, long))
	e.restart()
	check(t, e.handler.Close())
	if left := e.temporary(); len(left) != 1 || left[0] != recent {
		t.Errorf("left: %v", left)
	}
}

func TestUnusableCacheDirectory(t *testing.T) {
	e := newEnv(t)
	file := filepath.Join(t.TempDir(), "file")
	check(t, os.WriteFile(file, nil, 0o644))
	o := e.options
	o.CacheDir = file
	if _, err := New(o); err == nil || !strings.Contains(err.Error(), file) {
		t.Errorf("error %v", err)
	}
}

// A version that is mod-only now has no zip left over from before.
func TestAVersionThatBecameModOnly(t *testing.T) {
	e := newEnv(t)
	e.publish(content{m: lib})
	e.publish(content{m: lib, modOnly: true})
	e.want(libURL+".zip", http.StatusOK, "PK")
	e.transport.inject(func(r *http.Request) (*http.Response, error) {
		if !strings.HasSuffix(r.URL.Path, "/manifests/v1.2.3") {
			return nil, nil
		}
		return ociError(http.StatusNotFound, "MANIFEST_UNKNOWN", "unknown")(r)
	})
	e.clock.advance(time.Hour)
	e.want(libURL+".zip", http.StatusNotFound, "only go.mod")
	e.want(libURL+".mod", http.StatusOK, "module")

	if _, err := os.Stat(e.options.CacheDir + libURL + ".zip"); !os.IsNotExist(err) {
		t.Error("the zip is still there")
	}
}

func TestTilesAreEvictedToo(t *testing.T) {
	l := newTestLog(t, "")
	versions := make([]content, 20)
	for i := range versions {
		versions[i] = content{m: module.Version{Path: fmt.Sprintf("example.com/m%d", i), Version: "v1.0.0"}}
		l.grow(int64(256 * i))
		l.add(versions[i])
	}
	l.grow(6000)
	const limit = 100_000
	e := newEnv(t, withLog(l), func(o *Options) { o.CacheMax = limit })
	e.mirror(l, l.snapshot(nil), versions...)
	for _, v := range versions {
		e.clock.advance(2 * time.Minute)
		e.client(l, nil).verify(t, v)
	}
	e.restart()
	e.restart() // what is too much is removed by now
	var size, tiles int64
	for _, name := range e.files() {
		fi, err := os.Stat(name)
		check(t, err)
		size += fi.Size()
		if strings.Contains(name, "/tile/") {
			tiles++
		}
	}
	if size > limit || tiles == 0 || tiles >= 19 {
		t.Errorf("%d bytes in the cache, %d tiles", size, tiles)
	}
	e.client(l, nil).verify(t, versions...) // what is gone is fetched again
}

func TestWhatWasServedNeedsNoRequestsAfterARestart(t *testing.T) {
	e := newEnv(t)
	const versions = 20
	for i := range versions {
		e.publish(content{m: version(i), modOnly: true})
	}
	ask := func() {
		for i := range versions {
			e.want(fmt.Sprintf("/example.com/big/@v/v1.0.%d.mod", i), http.StatusOK, "module")
		}
	}
	ask()
	e.restart()
	if got := e.requests(ask); len(got) > 0 {
		t.Errorf("requests after a restart: %v", got)
	}
}

func TestALargeGoModIsServedToo(t *testing.T) {
	e := newEnv(t)
	c := content{m: lib, comment: strings.Repeat("// comment\n", 20_000)}
	e.publish(c)
	for range 2 {
		if status, body := e.get(libURL + ".mod"); status != http.StatusOK || body != string(c.gomod()) {
			t.Errorf("%d, %d bytes", status, len(body))
		}
		e.restart()
	}
}
