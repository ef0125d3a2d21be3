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

// What is read of a command's output.
const (
	maxStdout = 64 << 20
	maxStderr = 1 << 20 // of its end
)

// stopAfter is how long an interrupted command has to stop.
const stopAfter = 5 * time.Second

// errTooMuch: a command was stopped, because it wrote more than is read.
var errTooMuch = fmt.Errorf("it wrote more than %d MiB", maxStdout>>20)

// Command is exec.CommandContext for a command that starts others, as go and git do. At the end of ctx it is interrupted, so
// that it stops those, and killed only if that takes longer than five seconds.
func Command(ctx context.Context, name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Cancel = func() error {
		if cmd.Process.Signal(os.Interrupt) != nil {
			return cmd.Process.Kill()
		}
		return nil
	}
	cmd.WaitDelay = stopAfter
	return cmd
}

// Output runs a command of [Command] to its end and returns what it wrote to stdout, which is there with an error too. The
// error is an [*Error]. A command that writes more than 64 MiB is stopped; of stderr, the last 1 MiB counts.
func Output(ctx context.Context, cmd *exec.Cmd) ([]byte, error) {
	stdout, stderr := &head{max: maxStdout}, &tail{max: maxStderr}
	cmd.Stdout, cmd.Stderr = stdout, stderr
	err := cmd.Run()
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
	args := append([]string{filepath.Base(cmd.Path)}, cmd.Args[1:]...)
	return stdout.data, &Error{Args: args, Dir: cmd.Dir, Stderr: clean(string(stderr.last())), Code: code, Err: err}
}

// Run runs "go args..." in dir, as [Output] does.
func (c *Cmd) Run(ctx context.Context, dir string, args ...string) ([]byte, error) {
	cmd := Command(ctx, c.path, args...)
	var err error
	if cmd.Dir, err = filepath.Abs(dir); err != nil {
		return nil, &Error{Args: append([]string{"go"}, args...), Dir: dir, Code: -1, Err: err}
	}
	cmd.Env = append(c.Environ(), "PWD="+cmd.Dir)
	out, err := Output(ctx, cmd)
	if failed, ok := errors.AsType[*Error](err); ok {
		failed.Env = c.shown
	}
	return out, err
}

// head keeps the first bytes written, and fails on more.
type head struct {
	max  int
	data []byte
	over bool
}

// Write implements io.Writer.
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
}

// Write implements io.Writer.
func (t *tail) Write(p []byte) (int, error) {
	t.data = append(t.data, p...)
	if len(t.data) > 2*t.max {
		t.data = append(t.data[:0], t.last()...)
	}
	return len(p), nil
}

func (t *tail) last() []byte { return t.data[max(0, len(t.data)-t.max):] }

// Error says that a command failed.
type Error struct {
	Args   []string // the first is the command's name
	Dir    string
	Env    []string // GOOS=… and the like that [Cmd.With] added
	Stderr string   // what it wrote there: lines, printable, without passwords in URLs
	Code   int      // exit code; -1 = it did not run, or not to its end
	Err    error
}

// Error shows the command as typed and the last lines that it wrote to stderr.
func (e *Error) Error() string {
	command := strings.Join(slices.Concat(e.Env, e.Args), " ")
	text := clean(fmt.Sprintf("%s: %v", command, e.Err))
	if why := e.lastLines(); why != "" {
		text += ": " + why
	}
	return text
}

// Unwrap returns the cause: an *exec.ExitError, or the context's.
func (e *Error) Unwrap() error { return e.Err }

// Exited reports whether the command ran to its end: it could do its work, and says that something is wrong.
func (e *Error) Exited() bool {
	var exit *exec.ExitError
	return errors.As(e.Err, &exit) && e.Code >= 0
}

// lastLines returns the last lines of stderr as one, without those of progress.
func (e *Error) lastLines() string {
	const maxLines, maxBytes = 8, 2000
	var kept []string
	size := 0
	for _, line := range slices.Backward(strings.Split(e.Stderr, "\n")) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "go: downloading ") {
			continue
		}
		if size += len(line); len(kept) == maxLines || size > maxBytes && len(kept) > 0 {
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
