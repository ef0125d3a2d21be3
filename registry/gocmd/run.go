package gocmd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/modferry/modferry/registry/redact"
)

// What is read of a go command's output.
const (
	maxStdout = 64 << 20
	maxStderr = 1 << 20 // of its end
)

// stopAfter is how long an interrupted go command has to stop.
const stopAfter = 5 * time.Second

// errTooMuch: a command was stopped, because it wrote more than is read.
var errTooMuch = fmt.Errorf("it wrote more than %d MiB", maxStdout>>20)

// Run runs "go args..." in dir and returns what it wrote to stdout, which is there
// with an error too. The error is an [*Error]. A command that writes more than 64 MiB
// is stopped; of stderr, the last 1 MiB is kept.
func (c *Cmd) Run(ctx context.Context, dir string, args ...string) ([]byte, error) {
	fail := func(said string, code int, err error) error {
		return &Error{Args: args, Dir: dir, Env: c.shown, Said: said, Code: code, Err: err}
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, fail("", -1, err)
	}
	cmd := exec.CommandContext(ctx, c.path, args...)
	cmd.Dir = dir
	cmd.Env = append(c.Environ(), "PWD="+dir)
	stdout, stderr := &head{max: maxStdout}, &tail{max: maxStderr}
	cmd.Stdout, cmd.Stderr = stdout, stderr
	// Interrupted, the go command stops what it has started; killed, it does not.
	cmd.Cancel = func() error {
		if cmd.Process.Signal(os.Interrupt) != nil {
			return cmd.Process.Kill()
		}
		return nil
	}
	cmd.WaitDelay = stopAfter
	err = cmd.Run()
	switch {
	case err == nil:
		return stdout.data, nil
	case ctx.Err() != nil:
		err = context.Cause(ctx)
	case stdout.over:
		err = errTooMuch
	}
	code := -1
	if cmd.ProcessState != nil {
		code = cmd.ProcessState.ExitCode()
	}
	return stdout.data, fail(clean(stderr.String()), code, err)
}

// head keeps the first bytes written, and fails on more.
type head struct {
	max  int
	data []byte
	over bool
}

func (h *head) Write(p []byte) (int, error) {
	n := min(len(p), h.max-len(h.data))
	h.data = append(h.data, p[:n]...)
	if n < len(p) {
		h.over = true
		return n, io.ErrShortWrite
	}
	return n, nil
}

// tail keeps the last bytes written.
type tail struct {
	max  int
	data []byte // up to twice as many, so that they are not moved for each write
	cut  bool
}

func (t *tail) Write(p []byte) (int, error) {
	t.data = append(t.data, p...)
	if len(t.data) > 2*t.max {
		t.trim()
	}
	return len(p), nil
}

func (t *tail) trim() {
	if over := len(t.data) - t.max; over > 0 {
		t.data, t.cut = append(t.data[:0], t.data[over:]...), true
	}
}

// String returns what was kept, from the beginning of a line if there is one.
func (t *tail) String() string {
	t.trim()
	text := string(t.data)
	if _, lines, ok := strings.Cut(text, "\n"); ok && t.cut {
		return lines
	}
	return text
}

// Error says that a go command failed.
type Error struct {
	Args []string
	Dir  string
	Env  []string // GOOS=… and the like that With added
	Said string   // what it wrote to stderr: lines, printable, without the credentials of URLs
	Code int      // exit code; -1 = it did not run, or not to its end
	Err  error
}

// Error shows the command as typed and the last lines of what it said.
func (e *Error) Error() string {
	var b strings.Builder
	for _, env := range e.Env {
		b.WriteString(env + " ")
	}
	b.WriteString("go " + strings.Join(e.Args, " "))
	text := clean(fmt.Sprintf("%s: %v", b.String(), e.Err))
	if said := e.lastLines(); said != "" {
		text += ": " + said
	}
	return text
}

// Unwrap returns the cause: an *exec.ExitError, or the context's.
func (e *Error) Unwrap() error { return e.Err }

// Exited reports whether the go command ran to its end: it could do its work,
// and says that something is wrong.
func (e *Error) Exited() bool {
	var exit *exec.ExitError
	return errors.As(e.Err, &exit) && e.Code >= 0
}

// lastLines returns the last lines of what a go command said as one, those that
// only report progress left out.
func (e *Error) lastLines() string {
	const maxLines, maxBytes = 8, 2000
	var kept []string
	size := 0
	lines := strings.Split(e.Said, "\n")
	for i := len(lines) - 1; i >= 0 && len(kept) < maxLines; i-- {
		line := strings.TrimSpace(lines[i])
		if line == "" || strings.HasPrefix(line, "go: downloading ") {
			continue
		}
		if size += len(line); size > maxBytes && len(kept) > 0 {
			break
		}
		kept = append(kept, strings.ToValidUTF8(line[:min(len(line), maxBytes)], ""))
	}
	slices.Reverse(kept)
	return strings.Join(kept, "; ")
}

// clean makes what others wrote fit to be shown.
func clean(text string) string {
	text = strings.Map(func(r rune) rune {
		switch {
		case r == '\n', r == '\t', unicode.IsPrint(r):
			return r
		}
		return -1
	}, strings.ToValidUTF8(text, ""))
	return redact.Text(text)
}
