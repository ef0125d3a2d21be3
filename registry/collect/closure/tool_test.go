package closure

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"
)

func TestAToolCanBeInstalledOffline(t *testing.T) {
	t.Parallel()
	up := upstream(t)
	const here = runtime.GOOS + "/" + runtime.GOARCH
	for _, tt := range []struct {
		pkg, query, version string
		platforms           []string
		absent              string
	}{
		{"example.com/lib/cmd/libtool", "", "v1.1.0", nil, "example.com/wide@v1.0.0"},
		{"example.com/lib/cmd/libtool", "latest", "v1.1.0", []string{here, "windows/amd64"}, "example.com/wide@v1.0.0"},
		{"example.com/lib/cmd/libtool", "v1.0.0", "v1.0.0", []string{here}, ""},
		{"example.com/lib/cmd/libtool", "<v1.1", "v1.0.0", []string{here}, ""},
	} {
		m, r, err := newRunner(t, Options{Source: up}).Tool(t.Context(), tt.pkg, tt.query, tt.platforms, "")
		if err != nil {
			t.Errorf("%s@%s: %v", tt.pkg, tt.query, err)
			continue
		}
		if want := mod("example.com/lib@" + tt.version); m != want {
			t.Errorf("%s@%s is %v, want %v", tt.pkg, tt.query, m, want)
		}
		checkWarnings(t, r)
		if n := find(t, r, tt.absent); n != nil && !n.ModOnly {
			t.Errorf("needs %v", n)
		}
		off := up.offline(t, r)
		worksOffline(t, off, t.TempDir(), nil, "run", tt.pkg+"@latest")
		for _, query := range []string{"latest", m.Version, "v1"} { // run built it: with -n, packages are loaded, which is what takes modules
			worksOffline(t, off, t.TempDir(), nil, "install", "-n", tt.pkg+"@"+query)
			for _, p := range tt.platforms {
				goos, goarch, _ := strings.Cut(p, "/")
				worksOffline(t, off, t.TempDir(), []string{"GOOS=" + goos, "GOARCH=" + goarch}, "install", "-n", tt.pkg+"@"+query)
			}
			dir := t.TempDir()
			write(t, dir, map[string]string{"go.mod": "module corp.example/p\n\ngo 1.24\n"})
			for _, c := range []string{"get -tool " + tt.pkg + "@" + query, "mod tidy", "list -m all", "mod download", "build -n tool"} {
				worksOffline(t, off, dir, nil, strings.Fields(c)...)
			}
		}
	}
}

func TestAToolThatDemandsANewerGo(t *testing.T) {
	t.Parallel()
	m, r, err := newRunner(t, Options{Source: upstream(t)}).Tool(t.Context(), "example.com/future/cmd/x", "", nil, "")
	if err != nil {
		t.Fatal(err)
	}
	checkWarnings(t, r, "demands go1.99.1")
	const want = "example.com/future@v1.0.0\nexample.com/leaf@v1.2.0\n"
	if got := show(r.Needs); m != mod("example.com/future@v1.0.0") || got != want || r.Demands != "go1.99.1" {
		t.Errorf("%v demands %q and needs\n%s, want\n%s", m, r.Demands, got, want)
	}
}

func TestToolsThatCannotBeInstalled(t *testing.T) {
	t.Parallel()
	up := upstream(t)
	r := newRunner(t, Options{Source: up})
	for _, tt := range []struct {
		pkg, query string
		platforms  []string
		want       string
	}{
		{"example.com/gone/cmd/x", "", nil, "not found"},
		{"example.com/lib/cmd/nothing", "", nil, "does not contain package"},
		{"example.com/lib/cmd/libtool", "v9.0.0", nil, "v9.0.0"},
		{"example.com/lib", "", nil, "not a main package"},
		{"example.com/lib/cmd/libtool", "", []string{"nothing/at-all"}, "unsupported GOOS/GOARCH"},
		{"example.com/strict", "", nil, "exclude directives"},
		{"../lib", "", nil, "malformed import path"},
	} {
		_, result, err := r.Tool(t.Context(), tt.pkg, tt.query, tt.platforms, "")
		if err == nil || result != nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%v: got %v", tt, err)
		}
		t.Log(err)
	}
}

func TestRunRecordsACommand(t *testing.T) {
	t.Parallel()
	up := upstream(t)
	write(t, filepath.Join(string(up), "example.com/leaf/@v"), map[string]string{"main.info": `{"Version":"v1.2.0"}`})
	dir := consumerOf(t, "example.com/leaf")
	var stdout, stderr bytes.Buffer
	r, err := newRunner(t, Options{Source: up}).Run(t.Context(),
		[]string{"sh", "-c", "cd " + dir + " && read query && go get example.com/leaf@$query && go build ./... && pwd"}, strings.NewReader("main\n"), &stdout, &stderr)
	if err != nil {
		t.Fatalf("%v\n%s", err, &stderr)
	}
	if strings.TrimSpace(stdout.String()) != dir {
		t.Errorf("stdout %q", &stdout)
	}
	if n := find(t, r, "example.com/leaf@v1.2.0"); n == nil || n.ModOnly || !slices.Equal(n.Revisions, []string{"main"}) {
		t.Errorf("needs\n%s: %+v", show(r.Needs), n)
	}
	off := up.offline(t, r)
	dir = consumerOf(t, "example.com/leaf")
	worksOffline(t, off, dir, nil, "get", "example.com/leaf@main")
	worksOffline(t, off, dir, nil, "build", "./...")
}

func TestRunReturnsWhatAFailedCommandFetched(t *testing.T) {
	t.Parallel()
	up := upstream(t)
	r, err := newRunner(t, Options{Source: up}).Run(t.Context(), []string{"sh", "-c", "go mod download example.com/leaf@v1.0.0 && exit 7"}, nil, nil, nil)
	if exit, ok := err.(*exec.ExitError); !ok || exit.ExitCode() != 7 {
		t.Errorf("got %v", err)
	}
	if r == nil || show(r.Needs) != "example.com/leaf@v1.0.0\n" {
		t.Errorf("result %+v", r)
	}
	if _, err := newRunner(t, Options{Source: up}).Run(t.Context(), []string{"no-such-command"}, nil, nil, nil); !errors.Is(err, exec.ErrNotFound) {
		t.Errorf("got %v", err)
	}
}

func TestACommandThatLeavesAProcessBehindWasRecordedAllTheSame(t *testing.T) {
	t.Parallel()
	r := newRunner(t, Options{Source: upstream(t)})
	r.stopAfter = time.Millisecond
	stdin, end, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer stdin.Close()
	defer end.Close() // ends the process that is left
	var stdout bytes.Buffer
	script := "exec 3<&0; go mod download example.com/leaf@v1.0.0; cat <&3 &"
	result, err := r.Run(t.Context(), []string{"sh", "-c", script}, stdin, &stdout, &stdout)
	if err != nil {
		t.Fatal(err)
	}
	checkWarnings(t, result, "left a process behind")
	if got := show(result.Needs); got != "example.com/leaf@v1.0.0\n" {
		t.Errorf("needs\n%s", got)
	}
}

func TestACacheThatIsReadOnlyIsRemoved(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	r, err := New(t.Context(), Options{Source: upstream(t), GOSUMDB: "off", TempDir: dir})
	if err != nil {
		t.Fatal(err)
	}
	script := "go mod download example.com/leaf@v1.0.0 && chmod -R a-w $(go env GOMODCACHE)"
	if _, err := r.Run(t.Context(), []string{"sh", "-c", script}, nil, nil, os.Stderr); err != nil {
		t.Error(err)
	}
	if err := r.Close(); err != nil {
		t.Error(err)
	}
	if left, _ := os.ReadDir(dir); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestCallsAtOnceDoNotHideFetchesFromEachOther(t *testing.T) {
	t.Parallel()
	up := upstream(t)
	r := newRunner(t, Options{Source: up})
	dir := newProject(t, up, with(projectFiles, "go.mod", "module corp.example/p\n\ngo 1.24\n"), ".")
	p := load(t, dir)
	calls := map[string]func() (*Result, error){
		"project": func() (*Result, error) { return r.Project(t.Context(), p, ProjectOptions{}) },
		"lib":     func() (*Result, error) { return r.Seed(t.Context(), mod("example.com/lib@v1.0.0"), "") },
	}
	alone := make(map[string]string)
	for name, call := range calls {
		result, err := call()
		if err != nil {
			t.Fatal(name, err)
		}
		alone[name] = show(result.Needs)
	}
	var wg sync.WaitGroup
	for name, call := range calls {
		for range 2 {
			wg.Go(func() {
				if result, err := call(); err != nil || show(result.Needs) != alone[name] {
					t.Errorf("%s: %v", name, err)
				}
			})
		}
	}
	wg.Wait()
}

func TestPrivateModulesAreNotAskedAbout(t *testing.T) {
	t.Parallel()
	up := upstream(t)
	_, key, err := note.GenerateKey(rand.Reader, "sum.corp.example")
	if err != nil {
		t.Fatal(err)
	}
	var asked atomic.Int32
	src := sourceFunc(func(ctx context.Context, name string) (io.ReadCloser, error) {
		switch {
		case name == "sumdb/sum.corp.example/supported":
			return io.NopCloser(strings.NewReader("")), nil
		case strings.HasPrefix(name, "sumdb/"):
			asked.Add(1)
			return nil, fs.ErrNotExist
		}
		return up.Open(ctx, name)
	})
	o := Options{Source: src, GOSUMDB: key, NoSumDB: "example.com"}
	if _, err := newRunner(t, o).Seed(t.Context(), mod("example.com/leaf@v1.0.0"), ""); err != nil || asked.Load() > 0 {
		t.Errorf("%d requests, %v", asked.Load(), err)
	}
	o.NoSumDB = "other.example"
	if _, err := newRunner(t, o).Seed(t.Context(), mod("example.com/leaf@v1.0.0"), ""); err == nil || !strings.Contains(err.Error(), "sumdb/sum.corp.example/lookup/example.com/leaf@v1.0.0") || asked.Load() == 0 {
		t.Errorf("not private: %d requests, %v", asked.Load(), err)
	}
}
