//go:build unix

package main

import (
	"bufio"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"testing"

	"github.com/modferry/modferry/cmd/modferry/internal/command"
)

func TestSignalsThatAskForAnEndEndTheContext(t *testing.T) {
	for _, s := range []syscall.Signal{syscall.SIGHUP, syscall.SIGINT, syscall.SIGTERM} {
		if signal.Ignored(s) {
			continue // by whoever started the tests, and so by modferry
		}
		ctx, stop := untilSignal(t.Context())
		must(t, syscall.Kill(os.Getpid(), s))
		<-ctx.Done()
		stop()
	}
}

func TestNobodyIsToldThatNobodyReads(t *testing.T) {
	pipe := &fs.PathError{Op: "write", Path: os.Stdout.Name(), Err: syscall.EPIPE}
	for err, silent := range map[error]bool{
		fmt.Errorf("listing: %w", pipe):                                   true,
		&fs.PathError{Op: "write", Path: "/srv/fifo", Err: syscall.EPIPE}: false,
		fmt.Errorf("asking the registry: %w", syscall.EPIPE):              false,
	} {
		var out strings.Builder
		if code := command.Report(&out, err); code != command.ExitFailed || (out.Len() == 0) != silent {
			t.Errorf("%v: exit code %d, %q", err, code, out.String())
		}
	}
}

func TestALockThatIsNoFileIsNotRead(t *testing.T) {
	b := newBench(t)
	file := b.mirrorFile("m.yaml")
	must(t, os.Symlink("/dev/zero", b.path("m.lock")))
	b.run("mirror", "--no-sign", file).exits(command.ExitFailed).complains("m.lock is not a regular file")
	must(t, os.Remove(b.path("m.lock")))
	must(t, syscall.Mkfifo(b.path("m.lock"), 0o600)) // nobody will ever write to it
	b.run("mirror", "--no-sign", file).exits(command.ExitFailed).complains("m.lock is not a regular file")
}

func TestRunPassesSignalsOn(t *testing.T) {
	b := newBench(t)
	r, w := io.Pipe()
	code := make(chan int, 1)
	s := command.Streams{In: strings.NewReader(""), Out: w, Err: io.Discard, Env: b.lookup}
	go func() {
		code <- execute(t.Context(), s, []string{"run", "--insecure-skip-verify", "sh", "-c", `trap "exit 7" TERM; echo ready; while :; do sleep 0.05; done`})
		w.Close()
	}()
	lines := bufio.NewScanner(r)
	if !lines.Scan() || lines.Text() != "ready" {
		t.Fatalf("the command did not start: exit code %d", <-code)
	}
	must(t, syscall.Kill(os.Getpid(), syscall.SIGTERM))
	if lines.Scan() {
		t.Errorf("unexpected output %q", lines.Text())
	}
	if got := <-code; got != 7 {
		t.Errorf("exit code %d, want that of the command, 7", got)
	}
}
