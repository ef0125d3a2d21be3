package e2e

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/modferry/modferry/e2e/load"
)

// envLoadStores has TestLoadStores run, which takes long.
const envLoadStores = "LOAD_STORES"

// TestLoadStores measures how the commands of the connected side, and a shim that begins, grow with a store: a directory and
// a registry, as mirror fills them.
func TestLoadStores(t *testing.T) {
	if os.Getenv(envLoadStores) == "" {
		t.Skipf("%s is not set; run make load-stores", envLoadStores)
	}
	fmt.Println("store     versions  of one  mirror               again                list                 first @v/list of a shim")
	for _, kind := range []string{"oci", "registry"} {
		for _, size := range []struct{ versions, perModule int }{{2000, 10}, {5000, 10}, {10_000, 10}, {20_000, 10}, {1000, 1000}, {5000, 5000}} {
			t.Run(fmt.Sprintf("%s/%d-%d", kind, size.versions, size.perModule), func(t *testing.T) {
				storeGrowth(t, kind, size.versions, size.perModule)
			})
		}
	}
}

// storeGrowth prints a line: of each step CPU time, and of commands the peak of their memory.
func storeGrowth(t *testing.T, kind string, versions, perModule int) {
	w, err := load.NewWorld(versions, perModule, 1<<20)
	must(t, err)
	dir := t.TempDir()
	goSum := filepath.Join(dir, "go.sum")
	must(t, errors.Join(w.WriteProxy(filepath.Join(dir, "proxy")), os.WriteFile(goSum, w.GoSum(), 0o600)))
	ran(t, []string{benchPassword}, os.Getenv(envModferry), "keygen", "--output-key-prefix", filepath.Join(dir, "cosign"))
	store := "oci:" + filepath.Join(dir, "store")
	if kind == "registry" {
		store = startRegistry(t, registryOptions{}).addr + "/load"
	}
	fmt.Printf("%-8s  %8d  %6d", kind, versions, perModule)
	for range 2 {
		out, u := ran(t, []string{benchPassword}, os.Getenv(envModferry), "mirror", "--key", filepath.Join(dir, "cosign.key"), "--registry", store,
			"--upstream", "file://"+filepath.Join(dir, "proxy"), "--private", "example.com", goSum)
		if !strings.Contains(out, " 0 failed") {
			t.Fatalf("mirror: %s", out)
		}
		fmt.Printf("  %7.2f s %6.0f MB", u.cpu, u.peak)
	}
	out, u := ran(t, nil, os.Getenv(envModferry), "list", "--registry", store)
	if n := strings.Count(out, "\n"); n != versions {
		t.Errorf("%d versions are listed, not %d", n, versions)
	}
	fmt.Printf("  %7.2f s %6.0f MB", u.cpu, u.peak)
	s, err := startProcess(exec.CommandContext(t.Context(), os.Getenv(envModferry), "serve", "--listen", "127.0.0.1:0",
		"--key", filepath.Join(dir, "cosign.pub"), "--registry", store, "--cache", t.TempDir(), "--private", "example.com"), listeningAt)
	must(t, err)
	t.Cleanup(s.kill)
	before, _, _ := now(t, s)
	wantAnswer(t, s.ready+"/"+w.Path(0)+"/@v/list", "v1.0.0")
	after, _, peak := now(t, s)
	fmt.Printf("  %7.2f s %6.0f MB\n", after-before, peak)
}
