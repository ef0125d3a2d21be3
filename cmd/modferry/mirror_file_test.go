package main

import (
	"context"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"github.com/modferry/modferry/cmd/modferry/internal/command"
)

// mirrorFile writes a mirror file that asks for example.com/a@latest, with more lines after that.
func (b *bench) mirrorFile(name string, more ...string) string {
	return b.write(name, "version: 1\nmodules: [example.com/a@latest]\n"+strings.Join(more, "\n")+"\n")
}

func TestMirrorSaysWhichSettingOfAMirrorFileIsWrong(t *testing.T) {
	b := newBench(t)
	b.upstream("example.com/a@v1.0.0")
	delete(b.env, "MODFERRY_REGISTRY") // which would win
	delete(b.env, "MODFERRY_UPSTREAM")
	b.run("mirror", b.mirrorFile("m.yaml", "key: missing.key")).exits(command.ExitFailed).complains("m.yaml: key: ")
	b.run("mirror", "--no-sign", b.mirrorFile("m.yaml", "store: harbor.example:x/golang")).exits(command.ExitUsage).complains("m.yaml: store: ")
	r := b.run("mirror", "--no-sign", b.mirrorFile("m.yaml", "upstream: gopher://example.com")).exits(command.ExitFailed).complains("m.yaml: upstream: ")
	if strings.Contains(r.err, "set GOPROXY") {
		t.Errorf("it advises to set something else: %s", r.err)
	}
}

func TestMirrorTellsMirrorFilesFromOtherSources(t *testing.T) {
	b := newBench(t)
	b.upstream("example.com/a@v1.0.0")
	b.run("mirror", "--no-sign", "example.com/a@feature.yaml").exits(command.ExitItems).complains("example.com/a@feature.yaml: does not exist upstream")
	b.run("mirror", "--no-sign", b.mirrorFile("FILE.YAML")).exits(command.ExitOK)
	b.run("mirror", "--no-sign", "--platform", "linux/amd64", b.mirrorFile("m.yaml")).exits(command.ExitUsage).complains("write platforms: into")
	b.run("mirror", "--no-sign", "--toolchains", b.path("m.yaml")).exits(command.ExitUsage).complains("write toolchains: into")
	b.env["MODFERRY_PLATFORM"] = "linux/amd64" // for other commands
	b.run("mirror", "--no-sign", "--dry-run", b.path("m.yaml")).exits(command.ExitOK)
}

func TestALockThatIsALinkStaysOne(t *testing.T) {
	b := newBench(t)
	b.upstream("example.com/a@v1.0.0")
	file := b.mirrorFile("m.yaml")
	if err := os.Symlink(b.write("elsewhere", "version: 1\n"), b.path("m.lock")); err != nil {
		t.Skip(err)
	}
	b.run("mirror", "--no-sign", file).exits(command.ExitOK)
	data, err := os.ReadFile(b.path("elsewhere"))
	must(t, err)
	if target, err := os.Readlink(b.path("m.lock")); err != nil || target != b.path("elsewhere") || !strings.Contains(string(data), "- example.com/a v1.0.0\n") {
		t.Errorf("%q, %v\n%s", target, err, data)
	}
}

func TestWhatAQueryLedToIsLockedThoughTheRunIsInterrupted(t *testing.T) {
	b := newBench(t)
	b.upstream("example.com/a@v1.0.0", "example.com/b@v1.0.0")
	ctx, interrupt := context.WithCancel(t.Context())
	defer interrupt()
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/example.com/b/@v/v1.0.0.zip" {
			interrupt()
			<-r.Context().Done()
			return
		}
		http.FileServer(http.Dir(b.path("upstream"))).ServeHTTP(w, r)
	}))
	defer proxy.Close()
	file := b.write("m.yaml", "version: 1\nmodules:\n  - {module: example.com/a, query: latest, deps: false}\n  - {module: example.com/b, query: latest, deps: false}\n")
	b.env["MODFERRY_UPSTREAM"] = proxy.URL
	b.runIn(ctx, "mirror", "--no-sign", "--jobs", "1", file).exits(command.ExitFailed).complains("interrupted")
	lock, err := os.ReadFile(b.path("m.lock"))
	must(t, err)
	for _, want := range []string{"- source: \"module example.com/a@latest alone\"\n    needs:\n      - example.com/a v1.0.0\n", "- example.com/b v1.0.0\n", "\nsums:\n  - example.com/a v1.0.0 h1:"} {
		if !strings.Contains(string(lock), want) {
			t.Errorf("the lock lacks %q:\n%s", want, lock)
		}
	}
}

func TestMirrorJSONHasAnEventForContentThatWasLockedOtherwise(t *testing.T) {
	b := newBench(t)
	b.upstream("example.com/a@v1.0.0")
	file := b.mirrorFile("m.yaml")
	b.run("mirror", "--no-sign", file).exits(command.ExitOK)
	lock, err := os.ReadFile(b.path("m.lock"))
	must(t, err)
	head, _, _ := strings.Cut(string(lock), "\nsums:\n")
	b.write("m.lock", head+"\nsums:\n  - example.com/a v1.0.0 h1:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n")
	b.run("mirror", "--no-sign", "--json", file).exits(command.ExitRefused).
		says(`"version":"v1.0.0"`, `"status":"failed"`, "SECURITY").complains("SECURITY: example.com/a@v1.0.0 (")
}

func TestNamesThatGONOPROXYKeepsFromProxiesStayPrivateWithAnotherUpstream(t *testing.T) {
	b := newBench(t)
	t.Setenv("GONOPROXY", "corp.example")
	for _, name := range []string{"HTTP_PROXY", "HTTPS_PROXY"} { // nobody is to be found directly
		t.Setenv(name, "http://127.0.0.1:1")
	}
	const public = "https://203.0.113.1"
	r := b.run("mirror", "--no-sign", "--upstream", public, "corp.example/a@v1.0.0").exits(command.ExitItems)
	if strings.Contains(r.err, public) {
		t.Errorf("the public proxy was asked: %s", r.err)
	}
}
