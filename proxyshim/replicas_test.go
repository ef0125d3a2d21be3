package proxyshim

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"golang.org/x/mod/module"

	"github.com/modferry/modferry/artifact/sumdb"
)

// balancer sends each request to the next of some shims.
type balancer struct {
	mu    sync.RWMutex
	shims []*Handler
	next  atomic.Int64
}

func (b *balancer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	b.mu.RLock()
	defer b.mu.RUnlock()
	b.shims[int(b.next.Add(1))%len(b.shims)].ServeHTTP(w, r)
}

func (b *balancer) change(edit func([]*Handler) []*Handler) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.shims = edit(b.shims)
}

// replicas starts a shim more, with a cache directory of its own.
func (e *env) replica(name string) *Handler {
	e.t.Helper()
	o := e.options
	o.CacheDir = filepath.Join(e.t.TempDir(), name)
	h, _ := e.start(o)
	return h
}

// inTiles publishes n modules with evidence, each with its record in a complete tile of its own.
func inTiles(e *env, l *testLog, n int) (modules []module.Version, tiles map[int64]module.Version) {
	e.t.Helper()
	var versions []content
	tiles = make(map[int64]module.Version)
	for i := range n {
		c := content{m: module.Version{Path: fmt.Sprintf("example.com/m%d", i), Version: "v1.0.0"}}
		tiles[l.add(c)>>sumdb.TileHeight] = c.m
		l.grow(l.size() + 1<<sumdb.TileHeight)
		versions, modules = append(versions, c), append(modules, c.m)
	}
	e.mirror(l, l.snapshot(nil), versions...)
	return modules, tiles
}

func TestEveryReplicaAnswersEveryTile(t *testing.T) {
	l := newTestLog(t, "replicas").grow(1000)
	e := newEnv(t, withLog(l))
	modules, tiles := inTiles(e, l, 8)
	check(t, e.store.PublishTileIndex(t.Context(), l.Log, tiles, e.signer))
	b := &balancer{shims: []*Handler{e.replica("one"), e.replica("two"), e.replica("three")}}
	server := httptest.NewServer(b)
	defer server.Close()
	const clients = 64
	var all, half sync.WaitGroup
	half.Add(clients / 2)
	before := e.transport.count()
	for i := range clients {
		all.Go(func() {
			if i >= clients/2 {
				half.Wait()
			} else {
				defer half.Done()
			}
			c := e.client(l, nil)
			c.url = server.URL
			for j := range modules {
				if _, err := c.lookup(modules[(i+j)%len(modules)]); err != nil {
					t.Errorf("client %d: %v", i, err)
				}
			}
		})
	}
	half.Wait() // then one is killed, and another added
	killed := b.shims[0]
	b.change(func(shims []*Handler) []*Handler { return append(shims[1:], e.replica("four")) })
	check(t, killed.Close())
	all.Wait()
	fetched := make(map[string]int)
	for _, r := range e.transport.requests()[before:] {
		if strings.HasSuffix(r, "/manifests/v1.0.0") {
			fetched[r]++
		}
	}
	for r, n := range fetched {
		if n > 4 {
			t.Errorf("%s: %d times by 4 replicas", r, n)
		}
	}
	if len(fetched) != len(modules) {
		t.Errorf("%d modules were fetched", len(fetched))
	}
}

func TestATileIsFoundByItsIndexOnly(t *testing.T) {
	l := newTestLog(t, "tiles").grow(1000)
	e := newEnv(t, withLog(l))
	_, tiles := inTiles(e, l, 2)
	var paths []string
	for n := range tiles {
		paths = append(paths, fmt.Sprintf("/sumdb/%s/tile/8/0/%03d", l.Name(), n))
	}
	for _, path := range paths {
		e.want(path, http.StatusNotFound, "is neither in the checksum snapshot")
	}
	asked := e.requests(func() { e.want(paths[0], http.StatusNotFound, "not found") })
	if len(asked) > 0 {
		t.Errorf("what was just found to be missing was asked for again: %v", asked)
	}
	check(t, e.store.PublishTileIndex(t.Context(), l.Log, tiles, e.signer))
	e.clock.advance(snapshotRetry)
	for _, path := range paths {
		e.want(path, http.StatusOK, "")
	}
	e.transport.inject(down)
	for _, path := range paths {
		e.want(path, http.StatusOK, "") // from the cache
	}
}

func TestATileIndexNeedNotBeBelieved(t *testing.T) {
	forged := module.Version{Path: "example.com/forged", Version: "v1.0.0"}
	for _, test := range []struct {
		name   string
		who    module.Version // is said to have the tile of m0
		signer int            // the first is trusted
	}{
		{"a version with another tile", module.Version{Path: "example.com/m1", Version: "v1.0.0"}, 0},
		{"a version that is forged", forged, 0},
		{"a version that is not there", module.Version{Path: "example.com/none", Version: "v1.0.0"}, 0},
		{"the truth, by somebody whom nobody trusts", module.Version{Path: "example.com/m0", Version: "v1.0.0"}, 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			l := newTestLog(t, "lies").grow(1000)
			e := newEnv(t, withLog(l))
			modules, tiles := inTiles(e, l, 2)
			e.publishAs(content{m: forged}, testSigner(t, 1))
			for n, m := range tiles {
				if m == modules[0] {
					check(t, e.store.PublishTileIndex(t.Context(), l.Log, map[int64]module.Version{n: test.who}, testSigner(t, test.signer)))
					e.want(fmt.Sprintf("/sumdb/%s/tile/8/0/%03d", l.Name(), n), http.StatusNotFound, "is neither in")
				}
			}
		})
	}
}

func TestAStoreThatDoesNotGiveItsTileIndex(t *testing.T) {
	l := newTestLog(t, "outage").grow(1000)
	e := newEnv(t, withLog(l))
	_, tiles := inTiles(e, l, 1)
	check(t, e.store.PublishTileIndex(t.Context(), l.Log, tiles, e.signer))
	e.want("/sumdb/"+l.Name()+"/latest", http.StatusOK, "")
	e.transport.inject(down)
	for n := range tiles {
		path := fmt.Sprintf("/sumdb/%s/tile/8/0/%03d", l.Name(), n)
		e.want(path, http.StatusBadGateway, "")
		e.transport.inject(nil)
		e.want(path, http.StatusOK, "")
	}
}

// Whoever asks for a tile may not be allowed to know of the version that has it.
func TestATileThatCannotBeFetchedNamesNoModule(t *testing.T) {
	l := newTestLog(t, "quiet").grow(1000)
	e := newEnv(t, withLog(l))
	_, tiles := inTiles(e, l, 1)
	check(t, e.store.PublishTileIndex(t.Context(), l.Log, tiles, e.signer))
	for fault, want := range map[string]int{"down": http.StatusBadGateway, "forbidden": http.StatusNotFound} {
		e.transport.inject(func(r *http.Request) (*http.Response, error) {
			switch {
			case !strings.Contains(r.URL.Path, "example.com/m0"):
				return nil, nil
			case fault == "down":
				return down(r)
			}
			return respond("/", http.StatusForbidden, "application/json", `{"errors":[{"code":"DENIED"}]}`)(r)
		})
		for n := range tiles {
			status, body := e.get(fmt.Sprintf("/sumdb/%s/tile/8/0/%03d", l.Name(), n))
			if status != want || strings.Contains(body, "m0") {
				t.Errorf("%s: %d %s", fault, status, body)
			}
		}
	}
}
