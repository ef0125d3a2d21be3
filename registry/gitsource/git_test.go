package gitsource

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
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
