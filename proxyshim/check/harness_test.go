package check

import (
	"archive/zip"
	"bytes"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"golang.org/x/mod/module"
	modzip "golang.org/x/mod/zip"

	"github.com/modferry/modferry/registry/project"
)

// envDial makes the test binary a program that a build starts, and that asks for a URL.
const envDial = "CHECK_TEST_DIAL"

func TestMain(m *testing.M) {
	if url := os.Getenv(envDial); url != "" {
		if resp, err := http.Get(url); err == nil {
			resp.Body.Close()
		}
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// files are contents by slash-separated name.
type files map[string]string

// proxy is a GOPROXY that stands in for the shim.
type proxy struct {
	*httptest.Server

	mu     sync.Mutex
	files  map[string][]byte
	asked  []string
	absent []string // asked for in vain
}

// newProxy serves the modules, by path@version.
func newProxy(t *testing.T, modules map[string]files) *proxy {
	t.Helper()
	p := &proxy{files: make(map[string][]byte)}
	for name, contents := range modules {
		path, version, _ := strings.Cut(name, "@")
		mod, ok := contents["go.mod"]
		if !ok {
			mod = "module " + path + "\n\ngo 1.24\n"
		}
		base := path + "/@v/" + version
		p.files[base+".info"] = fmt.Appendf(nil, `{"Version":%q}`, version)
		p.files[base+".mod"] = []byte(mod)
		p.files[base+".zip"] = zipOf(t, module.Version{Path: path, Version: version}, contents)
		p.files[path+"/@v/list"] = append(p.files[path+"/@v/list"], version+"\n"...)
	}
	p.Server = httptest.NewServer(p)
	t.Cleanup(p.Close)
	return p
}

func zipOf(t *testing.T, m module.Version, contents files) []byte {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	if _, ok := contents["go.mod"]; !ok {
		contents["go.mod"] = "module " + m.Path + "\n\ngo 1.24\n"
	}
	for name, text := range contents {
		w, err := z.Create(m.String() + "/" + name)
		if err == nil {
			_, err = io.WriteString(w, text)
		}
		must(t, err)
	}
	must(t, z.Close())
	name := filepath.Join(t.TempDir(), "m.zip")
	must(t, os.WriteFile(name, b.Bytes(), 0o600))
	if _, err := modzip.CheckZip(m, name); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func (p *proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	defer p.mu.Unlock()
	name := strings.TrimPrefix(r.URL.Path, "/")
	p.asked = append(p.asked, name)
	data, ok := p.files[name]
	if !ok {
		p.absent = append(p.absent, name)
		http.Error(w, "not found: the store has no "+name, http.StatusNotFound)
		return
	}
	_, _ = w.Write(data)
}

// lose removes files, and forgets what was asked for so far.
func (p *proxy) lose(names ...string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, n := range names {
		delete(p.files, n)
	}
	p.asked, p.absent = nil, nil
}

// missing is what was asked for in vain, each once.
func (p *proxy) missing() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Compact(slices.Sorted(slices.Values(p.absent)))
}

// newProject writes a project to disk and makes its modules tidy, with the help of the proxy.
func newProject(t *testing.T, p *proxy, contents files) *project.Project {
	t.Helper()
	isolate(t)
	root := t.TempDir()
	for name, text := range contents {
		name = filepath.Join(root, filepath.FromSlash(name))
		must(t, os.MkdirAll(filepath.Dir(name), 0o700))
		must(t, os.WriteFile(name, []byte(text), 0o600))
	}
	for name := range contents {
		if dir, base := filepath.Split(name); base == "go.mod" && p != nil {
			tidy(t, p, filepath.Join(root, dir))
		}
	}
	return load(t, root)
}

func load(t *testing.T, root string) *project.Project {
	t.Helper()
	p, err := project.Load(root)
	must(t, err)
	return p
}

// isolate keeps the machine's settings of the go command away. The build cache is the machine's, for speed.
func isolate(t *testing.T) {
	t.Helper()
	cache, err := exec.Command("go", "env", "GOCACHE").Output()
	must(t, err)
	home := t.TempDir()
	telemetry := filepath.Join(home, "telemetry") // else the go command goes on writing to HOME after it has ended
	must(t, os.Mkdir(telemetry, 0o700))
	must(t, os.WriteFile(filepath.Join(telemetry, "mode"), []byte("off\n"), 0o600))
	for name, value := range map[string]string{
		"HOME": home, "GOPATH": filepath.Join(home, "go"), "GOMODCACHE": "", "GOENV": "off", "GOFLAGS": "-modcacherw",
		"GOTOOLCHAIN": "local", "GOPROXY": "off", "GOSUMDB": "off", "GOPRIVATE": "", "GONOPROXY": "", "GONOSUMDB": "",
		"GOCACHE": strings.TrimSpace(string(cache)), "GOWORK": "off", "GIT_CONFIG_NOSYSTEM": "1",
		"TEST_TELEMETRY_DIR": telemetry,
	} {
		t.Setenv(name, value)
	}
}

// tidy does what a project's author does on the connected side.
func tidy(t *testing.T, p *proxy, dir string) {
	t.Helper()
	cmd := exec.Command("go", "mod", "tidy")
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOPROXY="+p.URL)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("go mod tidy: %v\n%s", err, out)
	}
}

// proof is what Run found.
type proof struct {
	t       *testing.T
	results []Result
	dialled []string
}

func run(t *testing.T, p *project.Project, x *proxy, o Options) proof {
	t.Helper()
	o.Project, o.Proxy = p, x.URL
	if o.TempDir == "" {
		o.TempDir = t.TempDir()
	}
	before := contents(t, p.Root)
	var reported []Result
	o.Report = func(r Result) { reported = append(reported, r) }
	results, dialled, err := Run(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(reported, results) {
		t.Errorf("reported:\n%+v\nreturned:\n%+v", reported, results)
	}
	if left, err := os.ReadDir(o.TempDir); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
	if after := contents(t, p.Root); after != before {
		t.Errorf("the project was changed:\n%s\nbefore:\n%s", after, before)
	}
	for _, r := range results {
		if r.OK && (r.Output != "" || r.Skipped != "") || r.Failed() && r.Output == "" || strings.Contains(r.Output, o.TempDir) && !strings.Contains(r.Output, "gopath") {
			t.Errorf("a result that says the wrong things: %+v", r)
		}
	}
	return proof{t, results, dialled}
}

// contents are names and contents of all files below a directory.
func contents(t *testing.T, root string) string {
	t.Helper()
	var b strings.Builder
	must(t, fs.WalkDir(os.DirFS(root), ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(filepath.Join(root, name))
		fmt.Fprintf(&b, "%s: %s\n", name, data)
		return err
	}))
	return b.String()
}

// shows compares the results, a line each, with want.
func (p proof) shows(want ...string) proof {
	p.t.Helper()
	var got []string
	for _, r := range p.results {
		line := "ok "
		switch {
		case r.Skipped != "":
			line = "skipped "
		case r.Untidy:
			line = "UNTIDY "
		case !r.OK:
			line = "FAILED "
		}
		line += r.Command
		if r.Dir != "" {
			line += " in " + r.Dir
		}
		if r.Platform != "" {
			line += " for " + r.Platform
		}
		got = append(got, line)
	}
	if !slices.Equal(got, want) {
		p.t.Errorf("got\n  %s\nwant\n  %s\n%s", strings.Join(got, "\n  "), strings.Join(want, "\n  "), p.said())
	}
	return p
}

func (p proof) said() string {
	var b strings.Builder
	for _, r := range p.results {
		if r.Output != "" {
			fmt.Fprintf(&b, "%s:\n%s\n", r.Command, r.Output)
		}
	}
	return b.String()
}

// says checks that each text is in what a command said.
func (p proof) says(want ...string) proof {
	p.t.Helper()
	for _, w := range want {
		if !strings.Contains(p.said(), w) {
			p.t.Errorf("nothing says %q:\n%s", w, p.said())
		}
	}
	return p
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
