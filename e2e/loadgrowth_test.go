package e2e

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/modferry/modferry/artifact/sign/signtest"
)

// logRecords is as large as the public log was in 2026, a multiple of 256.
const logRecords = 72_000_000

// TestLoadGrowth measures what grows with a store: with how many versions it has, and with how many one module has.
func TestLoadGrowth(t *testing.T) {
	if os.Getenv(envLoad) == "" {
		t.Skipf("%s is not set; run make load", envLoad)
	}
	fmt.Println("versions  of one  start            search           again     list             lookup           tile             list              mirror, nothing new")
	for _, size := range []struct{ versions, perModule int }{{2000, 10}, {20_000, 10}, {200_000, 10}, {1000, 1000}, {5000, 5000}} {
		growth(t, size.versions, size.perModule)
	}
}

// mostMirrored is how many versions mirror looks at here: making them all up takes long.
const mostMirrored = 20_000

// growth writes a line: of each step the CPU time of the shim in seconds and what memory it has after it in MB.
func growth(t *testing.T, versions, perModule int) {
	l := newLoadWorld(t, versions, perModule, logRecords)
	s := l.serve(t, t.TempDir(), false)
	fmt.Printf("%8d  %6d", versions, perModule)
	before := 0.0
	step := func(path, part string) {
		if path != "" {
			wantAnswer(t, s.ready+path, part)
		}
		cpu, resident, _ := now(t, s)
		fmt.Printf("  %5.2f s %5.0f MB", cpu-before, resident)
		before = cpu
	}
	step("/-/readyz", "ready")
	last := l.Version(versions - 1)
	number := last.Path[strings.LastIndex(last.Path, "b")+1:]
	step("/-/api/modules?q=lib"+number, last.Path)
	step("/-/api/modules?q=lib"+number, last.Path)
	step("/"+last.Path+"/@v/list", "v1.0.0")
	step("/sumdb/"+l.Log.Name()+"/lookup/"+l.Path(0)+"@v1.0.0", "h1:")
	tile := tlog.Tile{H: 8, L: 0, N: l.TileOf(versions - 2), W: 256}
	step("/sumdb/"+l.Log.Name()+"/"+tile.Path(), "")
	_, u := ran(t, nil, os.Getenv(envModferry), "list", "--registry", l.registry+"/"+worldNamespace)
	fmt.Printf("  %5.2f s %4.0f MB", u.cpu, u.peak)
	s.kill()
	if versions > mostMirrored {
		fmt.Println()
		return
	}
	goSum := filepath.Join(t.TempDir(), "go.sum")
	must(t, os.WriteFile(goSum, l.GoSum(), 0o600))
	out, u := ran(t, []string{"COSIGN_PASSWORD=" + signtest.Password}, os.Getenv(envModferry), "mirror", "--key", l.key,
		"--registry", l.registry+"/"+worldNamespace, "--upstream", "off", "--private", "example.com", goSum)
	if !strings.Contains(out, fmt.Sprintf("0 new, %d existing, 0 failed", versions)) {
		t.Errorf("mirror: %.300s", out)
	}
	fmt.Printf("  %6.2f s %4.0f MB\n", u.cpu, u.peak)
}

// TestLoadGrowthOfACache measures what a cache directory of many versions costs a shim that begins, with a limit above which it
// is.
func TestLoadGrowthOfACache(t *testing.T) {
	if os.Getenv(envLoad) == "" {
		t.Skipf("%s is not set; run make load", envLoad)
	}
	l := newLoadWorld(t, 2000, 10, 1<<20)
	for _, versions := range []int{2000, 20_000, 200_000} {
		cache := t.TempDir()
		size := fillCache(t, l, cache, versions)
		for _, limit := range []int64{size * 2, size * 3 / 4} {
			s := l.serve(t, cache, false, "--cache-max", fmt.Sprintf("%dKB", limit/1000))
			wantAnswer(t, s.ready+"/"+l.Path(1)+"/@v/v1.0.0.mod", "module")
			cpu, resident, peak := settled(t, s)
			fmt.Printf("%8d versions cached, %6.1f MB of at most %6.1f: %6.2f s CPU, %4.0f MB, at most %4.0f MB\n", versions, float64(size)/1e6,
				float64(limit)/1e6, cpu, resident, peak)
			s.kill()
		}
		must(t, os.RemoveAll(cache))
	}
}

// fillCache has a shim fill a cache directory with one version, copies it as if there were many others, with links where the
// file system takes them, and returns the size of all.
func fillCache(t *testing.T, l *loadWorld, cache string, versions int) (size int64) {
	t.Helper()
	s := l.serve(t, cache, false)
	wantAnswer(t, s.ready+"/"+l.Path(0)+"/@v/v1.0.0.mod", "module")
	wantAnswer(t, s.ready+"/"+l.Path(0)+"/@v/v1.0.0.zip", "PK")
	must(t, s.interrupt())
	files, err := filepath.Glob(filepath.Join(cache, filepath.FromSlash(l.Path(0)), "@v", "v1.0.0.*"))
	must(t, err)
	for m := range versions / l.PerModule {
		to := filepath.Join(cache, filepath.FromSlash(l.Path(1000+m)), "@v")
		must(t, os.MkdirAll(to, 0o777))
		for _, f := range files {
			data, err := os.ReadFile(f)
			must(t, err)
			size += int64(len(data) * l.PerModule)
			first := filepath.Join(to, filepath.Base(f))
			must(t, os.WriteFile(first, data, 0o666))
			for v := 1; v < l.PerModule; v++ {
				must(t, os.Link(first, strings.Replace(first, "v1.0.0", fmt.Sprintf("v1.%d.0", v), 1)))
			}
		}
	}
	return size
}

// settled waits until a process has taken no CPU time for a second, and returns what now does.
func settled(t *testing.T, s *process) (cpu, resident, peak float64) {
	t.Helper()
	for last := -1.0; cpu != last; cpu, resident, peak = now(t, s) {
		last = cpu
		time.Sleep(time.Second)
	}
	return cpu, resident, peak
}

// wantAnswer checks that an answer is 200 with a part in it.
func wantAnswer(t *testing.T, url, part string) {
	t.Helper()
	resp, err := http.Get(url)
	must(t, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	must(t, err)
	if resp.StatusCode != http.StatusOK || !strings.Contains(string(body), part) {
		t.Errorf("%s: %s %.300q", url, resp.Status, body)
	}
}
