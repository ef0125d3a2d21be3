package gitsource

import (
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// The filter says in a pipe that it runs, and goes on until the other end is closed.
func TestCancellingEndsTheGoCommand(t *testing.T) {
	pipe := filepath.Join(t.TempDir(), "pipe")
	if err := exec.Command("mkfifo", pipe).Run(); err != nil {
		t.Skip("no named pipes here: ", err)
	}
	b := newUser(t, "filter.slow.smudge=yes >"+pipe)
	dir := b.checkout(goMod, "+b.txt x", "+.gitattributes *.txt filter=slow", ".", "tag v1.0.0")
	ctx, cancel := context.WithCancel(t.Context())
	temp := t.TempDir()
	done := make(chan error, 1)
	go func() {
		_, err := Pack(ctx, Options{Dir: dir, Version: "v1.0.0", TempDir: temp})
		done <- err
	}()
	f, err := os.Open(pipe) // returns when the filter has opened it
	must(t, err)
	defer f.Close()
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("got %v; want that it was cancelled", err)
	}
	if left, err := os.ReadDir(temp); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

func TestWhatAProgramSaysIsCutAndHasNoPartOfASecret(t *testing.T) {
	t.Parallel()
	for said, want := range map[string]string{
		"fatal: https://ann:secret@corp.example/x":             "fatal: https://xxxxx@corp.example/x",
		"fatal: https://ann:se@ret@corp.example/x":             "fatal: https://xxxxx@corp.example/x",
		"one\ntwo\tthree\x1b[31m\xff":                          "one two three [31m",
		"denied https://ann:" + strings.Repeat("s", maxStderr): "denied …",
		strings.Repeat("s", maxStderr) + "@corp.example/x":     "…",
		strings.Repeat("word ", maxStderr):                     strings.Repeat("word ", maxStderr/5) + "…",
		"":                                                     "",
	} {
		l := &limited{max: maxStderr}
		for chunk := range strings.SplitAfterSeq(said, "s") {
			_, err := io.WriteString(l, chunk)
			must(t, err)
		}
		if got := printable(l.buf, l.over); got != want {
			t.Errorf("of %.40q… there is %q; want %q", said, got, want)
		}
		if len(l.buf) > maxStderr {
			t.Errorf("of %.40q… %d bytes are kept", said, len(l.buf))
		}
	}
}
