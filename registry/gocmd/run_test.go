package gocmd

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/modferry/modferry/registry/redact/redacttest"
)

// pretend returns a go command that is a shell script.
func pretend(t *testing.T, script string) *Cmd {
	t.Helper()
	if runtime.GOOS == "windows" {
		t.Skip("there is no shell")
	}
	shell, err := exec.LookPath("sh")
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "go")
	if err := os.WriteFile(path, []byte("#!"+shell+"\n"+script), 0o755); err != nil {
		t.Fatal(err)
	}
	return &Cmd{path: path, env: os.Environ()}
}

func TestOutputIsBounded(t *testing.T) {
	out, err := pretend(t, "yes out\n").Run(t.Context(), ".", "list")
	if !errors.Is(err, errTooMuch) || len(out) != maxStdout {
		t.Errorf("%d bytes, %v", len(out), err)
	}
	out, err = pretend(t, "echo some; yes \"$(printf %0100d 7)\" | head -c 5000000 >&2; echo >&2; echo the end >&2; exit 3\n").Run(t.Context(), ".", "list")
	var failed *Error
	if !errors.As(err, &failed) || failed.Code != 3 || string(out) != "some\n" {
		t.Fatalf("%q, %v", out, err)
	}
	if n := len(failed.Stderr); n > maxStderr || n < maxStderr/2 || !strings.HasSuffix(failed.Stderr, "7\n\nthe end\n") && !strings.HasSuffix(failed.Stderr, "\nthe end\n") {
		t.Errorf("%d bytes were kept, with the end %q", n, failed.Stderr[max(0, n-50):])
	}
	if text := err.Error(); len(text) > 2200 || !strings.HasSuffix(text, "; the end") {
		t.Errorf("an error of %d bytes: %s", len(text), text)
	}
}

func TestErrorsAreFitToBeShown(t *testing.T) {
	for _, tt := range []struct{ name, script, want string }{
		{"as typed", "exit 1", "go get x@latest: exit status 1"},
		{"what it wrote", "echo no >&2; exit 1", "go get x@latest: exit status 1: no"},
		{"the last lines", "for i in 1 2 3 4 5 6 7 8 9 10; do echo $i >&2; done; exit 1", "go get x@latest: exit status 1: 3; 4; 5; 6; 7; 8; 9; 10"},
		{"no progress", "echo why >&2; echo go: downloading x v1 >&2; exit 1", "go get x@latest: exit status 1: why"},
		{"no passwords", "echo 'Get \"https://me:pass@word@proxy.example/x\": at https://token@p.example' >&2; exit 1", "go get x@latest: exit status 1: Get \"https://xxxxx@proxy.example/x\": at https://xxxxx@p.example"},
		{"nothing unprintable", "printf 'a\\033[31mb\\000\\377c\\r\\n' >&2; exit 1", "go get x@latest: exit status 1: a[31mbc"},
		{"one endless line", "printf %05000d 7 >&2; exit 1", "go get x@latest: exit status 1: " + strings.Repeat("0", 2000)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := pretend(t, tt.script).Run(t.Context(), ".", "get", "x@latest")
			if err == nil || err.Error() != tt.want {
				t.Errorf("got  %v\nwant %s", err, tt.want)
			}
		})
	}
	_, err := pretend(t, "exit 1").With("GOFLAGS=-modfile=https://a:b@c").Run(t.Context(), ".", "get", "https://a:b@c/d")
	if err == nil || strings.Contains(err.Error(), "b@") {
		t.Errorf("got %v", err)
	}
}

func TestErrorsShowNoPartOfCredentials(t *testing.T) {
	for _, user := range redacttest.Users() {
		said := filepath.Join(t.TempDir(), "said")
		text := "go: invalid GOPROXY https://" + user + "@proxy.example,https://" + user + "@p.example|direct\nGet \"https://" + user + "@proxy.example/x\": EOF\n"
		if err := os.WriteFile(said, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		_, err := pretend(t, "cat '"+said+"' >&2; exit 1").With("GOPROXY=https://"+user+"@proxy.example").Run(t.Context(), ".", "get", "https://"+user+"@c/d")
		var failed *Error
		if !errors.As(err, &failed) {
			t.Fatal(err)
		}
		redacttest.Check(t, err.Error())
		redacttest.Check(t, failed.Stderr)
	}
}

func TestAHangingCommandIsInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	why := errors.New("enough")
	dir := t.TempDir()
	ready := filepath.Join(dir, "ready")
	if out, err := exec.Command("mkfifo", ready).CombinedOutput(); err != nil {
		t.Skipf("mkfifo: %v: %s", err, out)
	}
	go func() {
		_, _ = os.ReadFile(ready) // until the command runs
		cancel(why)
	}()
	script := "trap 'echo stopped; exit 9' INT\necho > '" + ready + "'\nwhile :; do sleep 0.1; done\n"
	out, err := pretend(t, script).Run(ctx, dir, "list")
	var failed *Error
	if !errors.Is(err, why) || !errors.As(err, &failed) || failed.Exited() {
		t.Errorf("got %v", err)
	}
	if string(out) != "stopped\n" {
		t.Errorf("it was not interrupted: %q", out)
	}
}
