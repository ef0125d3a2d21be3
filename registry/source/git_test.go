package source

import (
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/modferry/modferry/registry/redact/redacttest"
)

// The filter keeps the pipe open for writing as long as it runs. First it waits for git's greeting: before that, git does not
// know yet that it has a filter to end.
func TestCancellingEndsWhatGitHasStarted(t *testing.T) {
	b := newBench(t).isolate()
	pipe := filepath.Join(b.dir, "pipe")
	if err := exec.Command("mkfifo", pipe).Run(); err != nil {
		t.Skip("no named pipes here: ", err)
	}
	dir := b.checkout(goMod, "+b.txt x", "+.gitattributes *.txt filter=slow", ".", "tag v1.0.0")
	b.git(b.home, "config", "--global", "filter.slow.process", "head -c 1 >"+os.DevNull+"; exec sleep 60 3>"+pipe+" #")
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		p, err := Pack(ctx, Options{Dir: dir, Version: "v1.0.0"})
		if err == nil {
			err = p.Close()
		}
		done <- err
	}()
	f, err := os.Open(pipe) // returns when the filter has opened it
	must(t, err)
	defer f.Close()
	cancel()
	ended := make(chan error, 1)
	go func() {
		_, err := io.Copy(io.Discard, f)
		ended <- errors.Join(err, <-done)
	}()
	select {
	case err := <-ended:
		if !errors.Is(err, context.Canceled) {
			t.Errorf("got %v; want that it was cancelled", err)
		}
	case <-time.After(30 * time.Second):
		t.Error("the filter is still running")
	}
}

func TestTailHasNoPartOfCredentials(t *testing.T) {
	for _, user := range redacttest.Users() {
		for shift := range maxSaid { // wherever the tail begins
			s := &tail{}
			_, err := io.WriteString(s, strings.Repeat("x ", 100)+"\nfatal: unable to access 'https://"+user+"@corp.example/x/': "+strings.Repeat("y", shift))
			must(t, err)
			redacttest.Check(t, s.String())
		}
	}
}

func TestTailHasNoPartOfASecret(t *testing.T) {
	for said, want := range map[string]string{
		"fatal: https://ann:secret@corp.example/x":                               "fatal: https://xxxxx@corp.example/x",
		"fatal: https://ann:sec@ret/x:y@corp.example/x":                          "fatal: https://xxxxx@corp.example/x",
		strings.Repeat("x", maxSaid) + "\nhttps://ann:secret@corp.example/x":     "https://xxxxx@corp.example/x",
		"https://ann:" + strings.Repeat("s", maxSaid) + "@corp.example/x denied": "denied",
		"https://ann:" + strings.Repeat("s", 2*maxSaid):                          "",
		strings.Repeat("word ", maxSaid):                                         strings.TrimSpace(strings.Repeat("word ", maxSaid/5-1)),
	} {
		var s tail
		for chunk := range strings.SplitAfterSeq(said, "s") {
			_, err := io.WriteString(&s, chunk)
			must(t, err)
		}
		if got := s.String(); got != want {
			t.Errorf("of %.40q… there is %q; want %q", said, got, want)
		}
	}
}
