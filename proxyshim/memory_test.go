package proxyshim

import (
	"io"
	"net/http"
	"path/filepath"
	"runtime"
	"sync"
	"testing"
)

// allocated returns the bytes allocated on the heap so far, whether collected since or not.
func allocated() uint64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.TotalAlloc
}

// TestMemoryStaysFlat counts everything that is allocated, by the clients too: if
// all of it together stays below the limit, so does what is in use at any time.
func TestMemoryStaysFlat(t *testing.T) {
	if testing.Short() {
		t.Skip("writes 600 MB")
	}
	const size, limit = 200 << 20, 64 << 20
	e := newEnvOn(t, "oci:"+filepath.Join(t.TempDir(), "store"))
	e.publish(content{m: lib, size: size})
	for _, state := range []string{"cold", "warm"} {
		before := allocated()
		var clients sync.WaitGroup
		for range 8 {
			clients.Go(func() {
				resp, err := http.Get(e.url + libURL + ".zip")
				if err != nil {
					t.Error(err)
					return
				}
				defer resp.Body.Close()
				if n, err := io.Copy(io.Discard, resp.Body); err != nil || n < size {
					t.Errorf("%d bytes, %v", n, err)
				}
			})
		}
		clients.Wait()
		got := allocated() - before
		t.Logf("%s: %d KiB allocated", state, got>>10)
		if got > limit {
			t.Errorf("%s: %d MiB allocated, want less than %d", state, got>>20, limit>>20)
		}
	}
}
