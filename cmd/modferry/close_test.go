package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/modferry/modferry/cmd/modferry/internal/command"
)

// observer calls a function when a text is written: in a test, the last one that a command has to say.
type observer struct {
	bytes.Buffer
	at string
	do func()
}

func (o *observer) Write(p []byte) (int, error) {
	if bytes.Contains(p, []byte(o.at)) {
		o.do()
	}
	return o.Buffer.Write(p)
}

func TestAStoreWhoseIndexCannotBeWrittenAtTheEndIsAFailure(t *testing.T) {
	b := newBench(t)
	private, public := b.keys("cosign")
	other, _ := b.keys("other")
	b.upstream("example.com/a@v1.0.0")
	must(t, os.Mkdir(b.path("lib"), 0o700))
	b.write("lib/go.mod", "module corp.example/lib\n\ngo 1.24\n")
	store := func(name string) string { return "oci:" + b.path(name) }
	for _, name := range []string{"source", "sign", "prune"} {
		b.run("mirror", "--registry", store(name), "--key", private, "example.com/a@v1.0.0").exits(command.ExitOK)
	}
	b.run("bundle", "create", "--registry", store("source"), "--key", private, "--output", b.path("a.tar")).exits(command.ExitOK)
	b.run("prune", "plan", "--registry", store("prune"), "--drop", "example.com/a", "--output", b.path("plan")).exits(command.ExitOK)
	for name, tt := range map[string]struct {
		at   string
		args []string
	}{
		"mirror":  {"1 new", []string{"mirror", "--registry", store("mirror"), "--key", private, "example.com/a@v1.0.0"}},
		"publish": {"published corp", []string{"publish", "--registry", store("publish"), "--key", private, "--version", "v1.0.0", b.path("lib")}},
		"sync":    {"2 copied", []string{"sync", "--key", public, store("source"), store("sync")}},
		"load":    {"2 loaded", []string{"bundle", "load", "--registry", store("load"), "--key", public, b.path("a.tar")}},
		"sign":    {"1 signed", []string{"sign", "--registry", store("sign"), "--key", other, "--verify-key", public, "example.com/a@v1.0.0"}},
		"prune":   {"the index still names", []string{"prune", "apply", "--registry", store("prune"), b.path("plan")}},
	} {
		t.Run(name, func(t *testing.T) {
			out := &observer{at: tt.at, do: func() { b.write(filepath.Join(name, "index.json"), "broken") }}
			code := execute(t.Context(), command.Streams{In: strings.NewReader(""), Out: out, Err: out, Env: b.lookup}, tt.args)
			if code != command.ExitFailed || !strings.Contains(out.String(), "writing index.json of oci:"+b.path(name)) {
				t.Errorf("exit code %d: %s", code, out)
			}
		})
	}
}

func TestOtherToolsSeeWhatAWatchingSyncHasCopied(t *testing.T) {
	b, public := mirrored(t)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var index []byte
	out := &observer{at: " copied, ", do: func() {
		data, err := os.ReadFile(b.path("branch", "index.json"))
		if err != nil {
			t.Error(err)
		}
		index = data
		stop()
	}}
	code := execute(ctx, command.Streams{In: strings.NewReader(""), Out: out, Err: out, Env: b.lookup},
		[]string{"sync", "--key", public, "--watch", "1h", "oci:" + b.path("store"), "oci:" + b.path("branch")})
	if code != command.ExitOK || !bytes.Contains(index, []byte("example.com/a:v1.0.0")) {
		t.Errorf("exit code %d, %s; after the first round, index.json is\n%s", code, out, index)
	}
}
