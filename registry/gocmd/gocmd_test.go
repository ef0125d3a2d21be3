package gocmd

import (
	"context"
	"errors"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
)

// apart makes nothing of the machine's settings and caches count, except the build cache.
func apart(t *testing.T) {
	t.Helper()
	cache, err := exec.Command("go", "env", "GOCACHE").Output()
	if err != nil {
		t.Skip("there is no go command")
	}
	home := t.TempDir()
	for name, value := range map[string]string{
		"HOME": home, "XDG_CONFIG_HOME": filepath.Join(home, ".config"), "GOCACHE": strings.TrimSpace(string(cache)),
		"GOPATH": filepath.Join(home, "go"), "GOMODCACHE": "", "GOENV": "off", "GOFLAGS": "-modcacherw", "GOWORK": "",
		"GOTOOLCHAIN": "local", "GOPROXY": "off", "GOSUMDB": "off", "GIT_CONFIG_NOSYSTEM": "1",
	} {
		t.Setenv(name, value)
	}
}

func newCmd(t *testing.T, o Options) *Cmd {
	t.Helper()
	if o.Scratch == "" {
		o.Scratch = filepath.Join(t.TempDir(), "scratch")
	}
	if o.GOPROXY == "" {
		o.GOPROXY = "off"
	}
	c, err := New(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func write(t *testing.T, dir string, files map[string]string) {
	t.Helper()
	for name, text := range files {
		name = filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// requests is a proxy that has nothing and remembers what it was asked for.
type requests struct {
	mu    sync.Mutex
	paths []string
}

func (r *requests) serve(t *testing.T) (url string) {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		r.mu.Lock()
		r.paths = append(r.paths, req.Method+" "+req.RequestURI)
		r.mu.Unlock()
		http.NotFound(w, req)
	}))
	t.Cleanup(s.Close)
	return s.URL
}

func (r *requests) asked() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.paths)
}

// needy is a module that requires what is nowhere.
var needy = map[string]string{
	"go.mod": "module corp.example/needy\n\ngo 1.22\n\nrequire corp.example/gone v1.0.0\n",
	"n.go":   "package needy\n\nimport _ \"corp.example/gone\"\n",
}

func TestHostileEnvironmentLeadsNowhere(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, needy)
	for _, tt := range []struct {
		name string
		env  map[string]string
		file string // as "go env -w" writes it; ELSEWHERE stands for the address of another proxy
	}{
		{"nothing", nil, ""},
		{"vendoring", map[string]string{"GOFLAGS": "-mod=vendor"}, ""},
		{"flags that are none", map[string]string{"GOFLAGS": "-no-such-flag"}, ""},
		{"private modules", map[string]string{"GOPRIVATE": "*", "GONOPROXY": "corp.example", "GOINSECURE": "*", "GOVCS": "*:all"}, ""},
		{"another proxy", map[string]string{"GOPROXY": "ELSEWHERE"}, ""},
		{"an HTTP proxy for others", map[string]string{"HTTP_PROXY": "ELSEWHERE", "HTTPS_PROXY": "ELSEWHERE", "NO_PROXY": ""}, ""},
		{"a workspace", map[string]string{"GOWORK": "/no/such/go.work"}, ""},
		{"another file of settings", nil, "GOPROXY=ELSEWHERE,direct\nGOPRIVATE=*\nGOFLAGS=-mod=vendor\nGONOPROXY=*\nGOVCS=*:all\n"},
		{"no modules", map[string]string{"GO111MODULE": "off"}, ""},
		{"another module cache", map[string]string{"GOMODCACHE": "/no/such/cache", "GOPATH": "/no/such/path", "GOBIN": "/no/such/bin"}, ""},
		{"another database", map[string]string{"GOSUMDB": "sum.corp.example+c0ffee+AAAA ELSEWHERE"}, ""},
		{"a switched toolchain", map[string]string{"GOTOOLCHAIN_INTERNAL_SWITCH_VERSION": "go1.99.0", "GOTOOLCHAIN_INTERNAL_SWITCH_COUNT": "99"}, ""},
		{"a toolchain that is nowhere", map[string]string{"GOTOOLCHAIN": "go1.99.0"}, ""},
		{"a login helper", map[string]string{"GOAUTH": "/no/such/helper"}, ""},
		{"a build cache elsewhere", map[string]string{"GOCACHEPROG": "/no/such/cache"}, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			apart(t)
			var here, elsewhere requests
			proxy, other := here.serve(t), elsewhere.serve(t)
			for name, value := range tt.env {
				t.Setenv(name, strings.ReplaceAll(value, "ELSEWHERE", other))
			}
			if tt.file != "" {
				for _, name := range []string{"GOPROXY", "GOFLAGS", "GOSUMDB"} {
					t.Setenv(name, "")
				}
				t.Setenv("GOENV", filepath.Join(t.TempDir(), "env"))
				write(t, filepath.Dir(os.Getenv("GOENV")), map[string]string{"env": strings.ReplaceAll(tt.file, "ELSEWHERE", other)})
			}
			c := newCmd(t, Options{GOPROXY: proxy, GOSUMDB: "off", Env: []string{"GOTOOLCHAIN=local"}})
			_, err := c.Run(t.Context(), dir, "list", "-mod=mod", "-deps", "./...")
			var failed *Error
			if !errors.As(err, &failed) || !failed.Exited() || failed.Code != 1 {
				t.Errorf("got %v, want the go command to miss a module", err)
			}
			if got := here.asked(); !slices.Contains(got, "GET /corp.example/gone/@v/v1.0.0.mod") {
				t.Errorf("the proxy was asked for %q only", got)
			}
			if got := elsewhere.asked(); len(got) > 0 {
				t.Errorf("elsewhere was asked for %q", got)
			}
		})
	}
}

func TestTheUsersSettingsCountWhereAskedFor(t *testing.T) {
	apart(t)
	file := filepath.Join(t.TempDir(), "env")
	write(t, filepath.Dir(file), map[string]string{"env": "GOSUMDB=sum.corp.example\nGOTOOLCHAIN=go1.99.0+auto\nGOPROXY=direct\n"})
	t.Setenv("GOENV", file)
	t.Setenv("GOSUMDB", "")
	t.Setenv("GOTOOLCHAIN", "")
	c := newCmd(t, Options{NoSumDB: "corp.example"})
	for _, want := range []string{
		"GOSUMDB=sum.corp.example", "GOTOOLCHAIN=go1.99.0+auto", "GONOSUMDB=corp.example", "GOPROXY=off", "GONOPROXY=none", "GOFLAGS=-modcacherw",
	} {
		if !slices.Contains(c.Environ(), want) {
			t.Errorf("%s is not set", want)
		}
	}
	if c.Version() != runtime.Version() && !strings.HasPrefix(c.Version(), "go1.") {
		t.Errorf("version %q", c.Version())
	}
}

func TestMoreEnvironmentWins(t *testing.T) {
	apart(t)
	c := newCmd(t, Options{Env: []string{"GOTOOLCHAIN=local", "GOFLAGS=-mod=mod", "GOWORK=/a/go.work", "GOSUMDB=off"}})
	with := c.With("GOOS=plan9", "GOFLAGS=-mod=readonly", "PASSWORD=x").With("GOOS=windows")
	for _, tt := range []struct {
		cmd  *Cmd
		want string
	}{
		{c, "-modcacherw -mod=mod /a/go.work off"},
		{with, "-modcacherw -mod=readonly /a/go.work off windows"},
		{c, "-modcacherw -mod=mod /a/go.work off"},
	} {
		args := []string{"env", "GOFLAGS", "GOWORK", "GOSUMDB"}
		if tt.cmd == with {
			args = append(args, "GOOS")
		}
		out, err := tt.cmd.Run(t.Context(), t.TempDir(), args...)
		if got := strings.Join(strings.Split(strings.TrimSpace(string(out)), "\n"), " "); err != nil || got != tt.want {
			t.Errorf("got %q, %v; want %q", got, err, tt.want)
		}
	}
	_, err := with.Run(t.Context(), t.TempDir(), "no-such-command")
	if err == nil || !strings.HasPrefix(err.Error(), "GOFLAGS=-mod=readonly GOOS=windows go no-such-command: exit status 2: ") {
		t.Errorf("got %v", err)
	}
}

func TestAGoCommandApartHasCachesOfItsOwn(t *testing.T) {
	apart(t)
	c := newCmd(t, Options{Env: []string{"GOTOOLCHAIN=local"}})
	other, err := c.Apart(filepath.Join(t.TempDir(), "other"), "https://proxy.example")
	if err != nil {
		t.Fatal(err)
	}
	names := []string{"GOPROXY", "GOMODCACHE", "GOPATH", "GOTOOLCHAIN"}
	for cmd, proxy := range map[*Cmd]string{c: "off", other: "https://proxy.example"} {
		out, err := cmd.Run(t.Context(), cmd.scratch, append([]string{"env"}, names...)...)
		want := strings.Join([]string{proxy, filepath.Join(cmd.scratch, "mod"), filepath.Join(cmd.scratch, "gopath"), "local", ""}, "\n")
		if err != nil || string(out) != want {
			t.Errorf("got %q, %v; want %q", out, err, want)
		}
	}
}

func TestNoGoCommand(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	for _, name := range []string{"", "/no/such/go", "no-such-go"} {
		if _, err := New(t.Context(), Options{Go: name, Scratch: t.TempDir(), GOPROXY: "off"}); !errors.Is(err, ErrNoGo) {
			t.Errorf("%q: got %v", name, err)
		}
	}
	for _, o := range []Options{{GOPROXY: "off"}, {Scratch: t.TempDir()}} {
		if _, err := New(t.Context(), o); err == nil || errors.Is(err, ErrNoGo) {
			t.Errorf("%+v: got %v", o, err)
		}
	}
}

func TestScratchInAModuleThatNeedsAnotherGo(t *testing.T) {
	apart(t)
	for _, text := range []string{"module x.example\n\ngo 1.99.0\n", "this is no go.mod\n"} {
		dir := t.TempDir()
		write(t, dir, map[string]string{"go.mod": text})
		newCmd(t, Options{Scratch: filepath.Join(dir, "scratch")})
	}
}

func TestTelemetryIsOff(t *testing.T) {
	apart(t)
	c := newCmd(t, Options{})
	out, err := c.Run(t.Context(), t.TempDir(), "env", "GOTELEMETRY")
	if err != nil {
		t.Fatal(err)
	}
	var files []string
	_ = filepath.WalkDir(filepath.Join(c.scratch, telemetryDir), func(path string, d fs.DirEntry, _ error) error {
		if !d.IsDir() {
			files = append(files, filepath.Base(path))
		}
		return nil
	})
	if !slices.Equal(files, []string{"mode"}) {
		t.Errorf("go env GOTELEMETRY says %q; there are %q", out, files)
	}
}

func TestRemoveAllRemovesReadOnlyModuleCaches(t *testing.T) {
	apart(t)
	c := newCmd(t, Options{})
	dir := filepath.Join(c.scratch, "mod", "corp.example", "m@v1.0.0")
	write(t, dir, map[string]string{"sub/f.go": "package sub\n"})
	for _, name := range []string{"sub/f.go", "sub", "."} {
		if err := os.Chmod(filepath.Join(dir, name), 0o555); err != nil {
			t.Fatal(err)
		}
	}
	if err := RemoveAll(c.scratch); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(c.scratch); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v", err)
	}
	if err := RemoveAll(c.scratch); err != nil {
		t.Errorf("again: %v", err)
	}
}

func TestCancelledCommands(t *testing.T) {
	apart(t)
	c := newCmd(t, Options{})
	ctx, cancel := context.WithCancelCause(t.Context())
	why := errors.New("enough")
	cancel(why)
	if _, err := c.Run(ctx, t.TempDir(), "version"); !errors.Is(err, why) {
		t.Errorf("got %v", err)
	}
}

func TestRelease(t *testing.T) {
	for goversion, want := range map[string]string{
		"go1.26.8":                        "go1.26.8",
		"go1.27rc1":                       "go1.27rc1",
		"go1.26.8 (Red Hat 1.26.8-1.el9)": "go1.26.8",
		"go1.26.8 X:boringcrypto":         "go1.26.8",
		"go1.26.8\tX:nodwarf5":            "go1.26.8",
		"go1.26.8-something":              "go1.26.8",
		"go1.27-devel_abc123 X:y":         "go1.27",
		"devel go1.27-abc123 Thu Jan 1":   "go1.27",
		"devel +abc123":                   "",
		"whatever":                        "",
		"":                                "",
	} {
		if got := Release(goversion); got != want {
			t.Errorf("%q: got %q, want %q", goversion, got, want)
		}
	}
}
