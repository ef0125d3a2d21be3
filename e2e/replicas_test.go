package e2e

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"

	"github.com/rogpeppe/go-internal/testscript"
)

// replicasKey finds the script's replicas, a *replicas, in its values.
type replicasKey struct{}

// replicas are shims behind a balancer that sends each request to the next one. Like balancers that buffer answers, it asks
// another one if one ends before it has answered.
type replicas struct {
	args []string

	mu    sync.Mutex
	shims []*process
	next  int
	count int // that were started
}

// replicas N [ARG…] starts N shims on the script's store, each with a cache of its own, and sets $SHIM to their balancer.
func cmdReplicas(ts *testscript.TestScript, neg bool, args []string) {
	n, err := strconv.Atoi(args[0])
	if neg || err != nil {
		ts.Fatalf("usage: replicas N [ARG…]")
	}
	r := ts.Value(replicasKey{}).(*replicas)
	r.args = args[1:]
	for range n {
		r.add(ts)
	}
	server := httptest.NewServer(r)
	ts.Defer(server.Close)
	ts.Setenv("SHIM", server.URL)
}

func (r *replicas) add(ts *testscript.TestScript) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.count++
	cache := ts.MkAbs(fmt.Sprintf(".shim%d", r.count))
	cmd := exec.Command(os.Getenv(envModferry), append([]string{"serve", "--registry", ts.Getenv("STORE"), "--listen", "127.0.0.1:0", "--cache", cache}, r.args...)...)
	cmd.Dir = ts.MkAbs(".")
	cmd.Env = []string{"HOME=" + ts.Getenv("HOME"), "PATH=" + ts.Getenv("PATH")}
	p, err := startProcess(cmd, regexp.MustCompile(`(http://127\.0\.0\.1:[0-9]+)`))
	ts.Check(err)
	ts.Defer(p.kill)
	r.shims = append(r.shims, p)
}

// kill ends the oldest shim as kill -9 does. Until it is gone the balancer knows nothing of it.
func (r *replicas) kill() {
	r.mu.Lock()
	oldest := r.shims[0]
	r.mu.Unlock()
	oldest.kill()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.shims = r.shims[1:]
}

// some returns each of the shims, the one whose turn it is first.
func (r *replicas) some() (urls []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.next++
	for i := range r.shims {
		urls = append(urls, r.shims[(r.next+i)%len(r.shims)].ready)
	}
	return urls
}

func (r *replicas) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	for _, url := range r.some() {
		resp, err := http.Get(url + req.URL.Path)
		if err != nil {
			continue
		}
		body, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil {
			continue
		}
		w.Header().Set("Content-Type", resp.Header.Get("Content-Type"))
		w.WriteHeader(resp.StatusCode)
		_, _ = w.Write(body)
		return
	}
	http.Error(w, "no shim answers", http.StatusBadGateway)
}

// fetched returns how often the registry was asked for each version of the script's store and for each blob, by its own log.
func fetched(ts *testscript.TestScript) map[string]int {
	_, namespace, _ := strings.Cut(ts.Getenv("STORE"), "/")
	asked := regexp.MustCompile(`msg="response completed".* http\.request\.method=GET .*http\.request\.uri="?/v2/` + namespace + `/([^\s"]+/(?:manifests/v[0-9]|blobs/)[^\s"]*)`)
	count := make(map[string]int)
	for _, m := range asked.FindAllStringSubmatch(ts.Value(upkeepKey{}).(*upkeep).registry.process.output(), -1) {
		count[m[1]]++
	}
	return count
}

// crowd N DIR has N go commands at once download what the module in DIR needs, each with nothing of its own before. When a
// quarter of them are done, one replica is killed and another one added. None may fail, and no replica may ask the registry
// twice for a version or a blob, zips among them.
func cmdCrowd(ts *testscript.TestScript, neg bool, args []string) {
	n, err := strconv.Atoi(args[0])
	if neg || len(args) != 2 || err != nil {
		ts.Fatalf("usage: crowd N DIR")
	}
	r := ts.Value(replicasKey{}).(*replicas)
	var env []string
	for _, name := range []string{"PATH", "GOCACHE", "GOENV", "GOTOOLCHAIN", "GOPROXY", "GOSUMDB", "HTTP_PROXY", "HTTPS_PROXY"} {
		env = append(env, name+"="+ts.Getenv(name))
	}
	before := fetched(ts)
	failed := make(chan error, n)
	for i := range n {
		home := ts.MkAbs(filepath.Join("crowd", strconv.Itoa(i)))
		ts.Check(os.CopyFS(filepath.Join(home, "src"), os.DirFS(ts.MkAbs(args[1]))))
		go func() {
			cmd := exec.Command("go", "mod", "download")
			cmd.Dir, cmd.Env = filepath.Join(home, "src"), append(env, "HOME="+home, "GOPATH="+home, "GOFLAGS=-modcacherw")
			var out bytes.Buffer
			cmd.Stdout, cmd.Stderr = &out, &out
			err := cmd.Run()
			if err != nil {
				err = fmt.Errorf("go command %d: %w\n%s", i, err, out.String())
			}
			failed <- err
		}()
	}
	for i := range n {
		if err := <-failed; err != nil {
			ts.Fatalf("%v", err)
		}
		if i == n/4 {
			r.kill()
			r.add(ts)
		}
	}
	manifests, blobs := 0, 0
	for path, times := range fetched(ts) {
		if times -= before[path]; times == 0 {
			continue
		}
		ts.Logf("%d shims fetched %s %d times", r.count, path, times)
		if times > r.count {
			ts.Fatalf("that is more than once each")
		}
		switch {
		case strings.Contains(path, "/manifests/"):
			manifests++
		case !strings.HasPrefix(path, "sumdb/"):
			blobs++
		}
	}
	if manifests == 0 || blobs == 0 {
		ts.Fatalf("the registry's log has %d versions and %d blobs of them", manifests, blobs)
	}
}
