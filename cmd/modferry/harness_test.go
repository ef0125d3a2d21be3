package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/mod/module"
	modzip "golang.org/x/mod/zip"

	"github.com/modferry/modferry/artifact/sign/signtest"
	"github.com/modferry/modferry/cmd/modferry/internal/command"
)

// bench is a directory of its own with a store, an upstream and keys, and the environment of the commands run in it.
type bench struct {
	t     *testing.T
	dir   string
	env   map[string]string
	stdin string
}

func newBench(t *testing.T) *bench {
	t.Helper()
	b := &bench{t: t, dir: t.TempDir(), env: map[string]string{"COSIGN_PASSWORD": signtest.Password}}
	b.env["HOME"] = b.dir
	b.env["MODFERRY_REGISTRY"] = "oci:" + b.path("store")
	b.env["MODFERRY_CACHE"] = b.path("cache")
	b.env["MODFERRY_UPSTREAM"] = "file://" + filepath.ToSlash(b.path("upstream"))
	// What the go command's own configuration says must not matter, and nothing here is in a public log.
	for name, v := range map[string]string{"GOENV": "off", "GOPROXY": "off", "GOFLAGS": "", "GOPRIVATE": "", "GONOPROXY": "", "GONOSUMDB": "*", "GOTOOLCHAIN": "local"} {
		t.Setenv(name, v)
	}
	t.Chdir(b.dir)
	return b
}

func (b *bench) path(elem ...string) string {
	return filepath.Join(append([]string{b.dir}, elem...)...)
}

// lookup is the environment of the commands.
func (b *bench) lookup(name string) (value string, ok bool) {
	value, ok = b.env[name]
	return value, ok
}

// result is what a command line did.
type result struct {
	t        *testing.T
	line     string
	code     int
	out, err string
}

// lockedBuffer is written to by a shim's log and by the program that run started at the same time, as a file can be.
type lockedBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

// run executes a command line in this process. Arguments are used as they are: files need b.path.
func (b *bench) run(args ...string) result {
	b.t.Helper()
	return b.runIn(b.t.Context(), args...)
}

func (b *bench) runIn(ctx context.Context, args ...string) result {
	b.t.Helper()
	var out, errs lockedBuffer
	s := command.Streams{In: strings.NewReader(b.stdin), Out: &out, Err: &errs, Env: b.lookup}
	code := execute(ctx, s, args)
	return result{b.t, strings.Join(args, " "), code, out.String(), errs.String()}
}

func (r result) exits(code int) result {
	r.t.Helper()
	if r.code != code {
		r.t.Fatalf("modferry %s: exit code %d, want %d\nstdout: %s\nstderr: %s", r.line, r.code, code, r.out, r.err)
	}
	return r
}

func (r result) says(want ...string) result { r.t.Helper(); return r.contains("stdout", r.out, want) }

func (r result) complains(want ...string) result {
	r.t.Helper()
	return r.contains("stderr", r.err, want)
}

func (r result) contains(stream, text string, want []string) result {
	r.t.Helper()
	for _, w := range want {
		if !strings.Contains(text, w) {
			r.t.Errorf("modferry %s: %s lacks %q:\n%s", r.line, stream, w, text)
		}
	}
	return r
}

func (r result) prints(want string) result {
	r.t.Helper()
	if r.out != want {
		r.t.Errorf("modferry %s printed\n%s\nwant\n%s", r.line, r.out, want)
	}
	return r
}

// jsonLines decodes standard output, one value per line.
func jsonLines[T any](r result) []T {
	r.t.Helper()
	var list []T
	for line := range strings.Lines(r.out) {
		var v T
		if err := json.Unmarshal([]byte(line), &v); err != nil {
			r.t.Fatalf("modferry %s: %q: %v", r.line, line, err)
		}
		list = append(list, v)
	}
	return list
}

// keys writes a key pair, as keygen does, and returns the names of its files.
func (b *bench) keys(prefix string) (private, public string) {
	b.t.Helper()
	must(b.t, signtest.WriteKeyPair(b.path(prefix)))
	return b.path(prefix + ".key"), b.path(prefix + ".pub")
}

// upstream writes versions (path@version) of a module with one package to the upstream tree.
func (b *bench) upstream(versions ...string) {
	b.t.Helper()
	for _, arg := range versions {
		path, version, _ := strings.Cut(arg, "@")
		must(b.t, writeUpstream(b.path("upstream"), module.Version{Path: path, Version: version}))
	}
}

func writeUpstream(root string, m module.Version) error {
	escaped, err := module.EscapePath(m.Path)
	if err != nil {
		return err
	}
	src, err := os.MkdirTemp(filepath.Dir(root), "src")
	if err != nil {
		return err
	}
	gomod := fmt.Sprintf("module %s\n\ngo 1.24\n", m.Path)
	info, err := json.Marshal(map[string]any{"Version": m.Version, "Time": time.Date(2024, 5, 1, 12, 0, 0, 0, time.UTC)})
	if err != nil {
		return err
	}
	var zip bytes.Buffer
	dir := filepath.Join(root, filepath.FromSlash(escaped), "@v")
	for _, write := range []func() error{
		func() error { return os.WriteFile(filepath.Join(src, "go.mod"), []byte(gomod), 0o600) },
		func() error { return os.WriteFile(filepath.Join(src, "a.go"), []byte("package a\n"), 0o600) },
		func() error { return modzip.CreateFromDir(&zip, m, src) },
		func() error { return os.MkdirAll(dir, 0o700) },
		func() error { return os.WriteFile(filepath.Join(dir, m.Version+".info"), info, 0o600) },
		func() error { return os.WriteFile(filepath.Join(dir, m.Version+".mod"), []byte(gomod), 0o600) },
		func() error { return os.WriteFile(filepath.Join(dir, m.Version+".zip"), zip.Bytes(), 0o600) },
		func() error { return appendLine(filepath.Join(dir, "list"), m.Version) },
	} {
		if err := write(); err != nil {
			return err
		}
	}
	return nil
}

func appendLine(name, line string) error {
	f, err := os.OpenFile(name, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = fmt.Fprintln(f, line)
	return err
}

func (b *bench) write(name, content string) string {
	b.t.Helper()
	must(b.t, os.WriteFile(b.path(name), []byte(content), 0o600))
	return b.path(name)
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
