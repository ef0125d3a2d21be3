package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"
	"testing"

	"github.com/modferry/modferry/cmd/modferry/internal/command"
)

func TestRunPassesTheExitCodeOn(t *testing.T) {
	b := newBench(t)
	b.run("run", "--insecure-skip-verify", "--", "sh", "-c", "exit 42").exits(42).complains("signatures are NOT verified")
	b.run("run", "--insecure-skip-verify", "--", "sh", "-c", "kill -TERM $$").exits(128 + 15)
	b.run("run", "--insecure-skip-verify", "--", "true").exits(command.ExitOK)
	b.run("run", "--insecure-skip-verify", "--", b.path("no-such-program")).exits(command.ExitFailed).complains("no-such-program")
}

func TestRunSetsTheGoEnvironment(t *testing.T) {
	b := newBench(t)
	t.Setenv("GOPRIVATE", "secret.example")
	t.Setenv("GOFLAGS", "-modcacherw")
	t.Setenv("GONOSUMDB", "other.example")
	show := []string{"sh", "-c", `echo "$GOPROXY|$GONOPROXY|$GONOSUMDB|$GOFLAGS"`}
	got := strings.Split(b.run(append([]string{"run", "--insecure-skip-verify", "--private", "corp.example/*", "--"}, show...)...).exits(command.ExitOK).out, "|")
	if len(got) != 4 || !strings.HasPrefix(got[0], "http://127.0.0.1:") || got[1] != "none" ||
		got[2] != "other.example,corp.example/*" || got[3] != "-modcacherw\n" {
		t.Errorf("environment of the command: %q", got)
	}
	b.run(append([]string{"run", "--insecure-skip-verify", "--"}, show...)...).exits(command.ExitOK).says("|none|other.example|")
}

func TestRunGivesStandardInputToTheCommand(t *testing.T) {
	b := newBench(t)
	b.stdin = "hello"
	b.run("run", "--insecure-skip-verify", "cat").exits(command.ExitOK).prints("hello")
}

func TestRunServesTheGoCommand(t *testing.T) {
	if _, err := exec.LookPath("go"); err != nil {
		t.Skip("no go command")
	}
	b := newBench(t)
	private, public := b.keys("cosign")
	b.upstream("example.com/a@v1.0.0")
	b.run("mirror", "--key", private, "example.com/a@v1.0.0").exits(command.ExitOK)
	t.Setenv("GOMODCACHE", b.path("modcache"))
	t.Setenv("GOFLAGS", "-modcacherw")
	download := []string{"--", "go", "mod", "download", "-json"}
	b.run(append([]string{"run", "--key", public}, append(download, "example.com/a@v1.0.0")...)...).exits(command.ExitOK).says(`"Version": "v1.0.0"`)
	b.run(append([]string{"run", "--key", public}, append(download, "example.com/b@v1.0.0")...)...).exits(1).says("not found")

	_, stranger := b.keys("stranger")
	b.env["MODFERRY_CACHE"] = b.path("other-cache")
	t.Setenv("GOMODCACHE", b.path("other-modcache"))
	b.run(append([]string{"run", "--key", stranger}, append(download, "example.com/a@v1.0.0")...)...).exits(1).says("SECURITY")
}

func TestRunStartsNothingAfterASignal(t *testing.T) {
	b := newBench(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	b.runIn(ctx, "run", "--insecure-skip-verify", "--", "go", "version").exits(command.ExitFailed).prints("").complains("interrupted")
}

func TestRunLeavesIgnoredSignalsIgnored(t *testing.T) {
	b := newBench(t)
	for _, s := range []syscall.Signal{syscall.SIGHUP, syscall.SIGINT} {
		ignore(t, s)
		// Both get it: modferry, which is this process, and the program.
		b.run("run", "--insecure-skip-verify", "--", "sh", "-c", fmt.Sprintf("kill -%d $PPID $$; echo on", s)).exits(command.ExitOK).prints("on\n")
	}
}

// ignore makes this process ignore a signal, as if it had been started so, until the test ends.
func ignore(t *testing.T, s os.Signal) {
	t.Helper()
	if signal.Ignored(s) {
		return
	}
	signal.Ignore(s)
	t.Cleanup(func() { // Reset would leave it ignored
		c := make(chan os.Signal, 1)
		signal.Notify(c, s)
		signal.Stop(c)
	})
}
