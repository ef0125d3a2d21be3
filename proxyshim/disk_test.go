//go:build unix

package proxyshim

import (
	"bytes"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"syscall"
	"testing"
)

// limitFileSize makes writing beyond n bytes of a file fail, as a full disk does,
// until the function it returns is called.
func limitFileSize(t *testing.T, n uint64) (restore func()) {
	t.Helper()
	var old syscall.Rlimit
	check(t, syscall.Getrlimit(syscall.RLIMIT_FSIZE, &old))
	signal.Ignore(syscall.SIGXFSZ)
	limit := old
	limit.Cur = n
	check(t, syscall.Setrlimit(syscall.RLIMIT_FSIZE, &limit))
	return func() { check(t, syscall.Setrlimit(syscall.RLIMIT_FSIZE, &old)) }
}

// The limit is one of the whole process, so the test runs in a process of its own.
func TestAFullDiskIsAnErrorAndPasses(t *testing.T) {
	const child = "PROXYSHIM_TEST_DISK"
	if os.Getenv(child) == "" {
		cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v")
		cmd.Env = append(os.Environ(), child+"=1")
		if out, err := cmd.CombinedOutput(); err != nil || !bytes.Contains(out, []byte("--- PASS: "+t.Name())) {
			t.Errorf("%v\n%s", err, out)
		}
		return
	}
	e := newEnv(t)
	e.publish(content{m: lib, size: 1 << 20})
	for _, test := range []struct {
		limit uint64
		path  string
	}{{10, libURL + ".info"}, {64 << 10, libURL + ".zip"}} {
		restore := limitFileSize(t, test.limit)
		e.get(test.path) // may be answered before it is saved

		for range 2 {
			e.want(test.path, http.StatusInsufficientStorage, "cache directory is full")
		}
		e.want("/example.com/lib/@v/list", http.StatusOK, "v1.2.3")
		if left := e.temporary(); len(left) > 0 {
			t.Errorf("left behind: %v", left)
		}
		restore()
		e.want(test.path, http.StatusOK, "")
	}
}

func TestNotReadyWhenTheCacheCannotBeWritten(t *testing.T) {
	if syscall.Getuid() == 0 {
		t.Skip("root may write anywhere")
	}
	e := newEnv(t)
	check(t, syscall.Chmod(e.options.CacheDir+"/.tmp", 0o555))
	e.want("/-/readyz", http.StatusServiceUnavailable, "[-] cache: the directory takes no files")
}
