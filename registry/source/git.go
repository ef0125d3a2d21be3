package source

import (
	"bytes"
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

	modzip "golang.org/x/mod/zip"

	"github.com/modferry/modferry/artifact"
	"github.com/modferry/modferry/registry/redact"
)

const (
	maxOutput = 64 << 20 // of a git command, other than a file's content
	maxSaid   = 1000     // of a git command's complaints, in an error
)

// waitDelay is how long a git command that was told to end may take, with the programs it started.
const waitDelay = 5 * time.Second

// git runs git commands in a directory.
type git struct {
	cmd string
	dir string
	env []string
}

// newGit prepares for git commands that see the repository as it is, which must be that of the directory itself. Variables
// that lead elsewhere, as git sets them for hooks, are left out.
func newGit(cmd, dir string) (*git, error) {
	if cmd == "" {
		found, err := exec.LookPath("git")
		if err != nil {
			return nil, fmt.Errorf("%s is in a git repository, so git is needed: %w", dir, err)
		}
		cmd = found
	}
	elsewhere := []string{
		"GIT_DIR", "GIT_WORK_TREE", "GIT_IMPLICIT_WORK_TREE", "GIT_PREFIX", "GIT_COMMON_DIR", "GIT_INDEX_FILE", "GIT_NAMESPACE",
		"GIT_OBJECT_DIRECTORY", "GIT_ALTERNATE_OBJECT_DIRECTORIES", "GIT_SHALLOW_FILE", "GIT_GRAFT_FILE", "GIT_REPLACE_REF_BASE",
		"GIT_GLOB_PATHSPECS", "GIT_NOGLOB_PATHSPECS", "GIT_ICASE_PATHSPECS",
	}
	env := slices.DeleteFunc(os.Environ(), func(v string) bool {
		name, _, _ := strings.Cut(v, "=")
		return slices.Contains(elsewhere, name)
	})
	env = append(env, "PWD="+dir, "LC_ALL=C", "GIT_TERMINAL_PROMPT=0", "GIT_OPTIONAL_LOCKS=0", "GIT_LITERAL_PATHSPECS=1",
		"GIT_CEILING_DIRECTORIES="+filepath.Dir(dir),             // go no higher
		"GIT_NO_REPLACE_OBJECTS=1", "GIT_GRAFT_FILE="+os.DevNull, // neither is cloned, so nobody else sees them
		// What a partial clone lacks git would fetch, and nothing is fetched.
		"GIT_NO_LAZY_FETCH=1", "GIT_ALLOW_PROTOCOL=none")
	return &git{cmd: cmd, dir: dir, env: env}, nil
}

// gitError is a git command that failed.
type gitError struct {
	command string
	said    string
	err     error
}

func (e *gitError) Error() string {
	if e.said == "" {
		return fmt.Sprintf("git %s: %v", e.command, e.err)
	}
	return fmt.Sprintf("git %s: %v: %s", e.command, e.err, e.said)
}

func (e *gitError) Unwrap() error { return e.err }

// saidNo says whether a git command ended with exit code 1, by which many say no.
func saidNo(err error) bool {
	var exit *exec.ExitError
	return errors.As(err, &exit) && exit.ExitCode() == 1
}

// failed says whether a git command ran and ended with an error.
func failed(err error) bool {
	var exit *exec.ExitError
	return errors.As(err, &exit) && exit.Exited()
}

// output runs a command and returns what it prints.
func (g *git) output(ctx context.Context, args ...string) ([]byte, error) {
	return g.ask(ctx, "", maxOutput, args...)
}

// line is output for commands that print one line.
func (g *git) line(ctx context.Context, args ...string) (string, error) {
	out, err := g.output(ctx, args...)
	return strings.TrimRight(string(out), "\r\n"), err
}

func (g *git) ask(ctx context.Context, stdin string, limit int64, args ...string) ([]byte, error) {
	var out bytes.Buffer
	err := g.run(ctx, &limitedWriter{dst: &out, left: limit}, stdin, args...)
	return out.Bytes(), err
}

func (g *git) run(ctx context.Context, stdout io.Writer, stdin string, args ...string) error {
	// What looks like a bare repository may be files of somebody else's.
	cmd := exec.CommandContext(ctx, g.cmd, append([]string{"-c", "safe.bareRepository=explicit"}, args...)...)
	// Interrupted, git ends the filters that it has started; killed, it does not.
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = waitDelay
	cmd.Dir, cmd.Env = g.dir, g.env
	stderr := &tail{}
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(stdin), stdout, stderr
	err := cmd.Run()
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if w, ok := stdout.(*limitedWriter); ok && w.err != nil {
		err = w.err // the command failed because of that
	}
	if err != nil {
		return &gitError{command: verb(args), said: stderr.String(), err: err}
	}
	return nil
}

// verb is the command's name, behind its -c options.
func verb(args []string) string {
	for len(args) > 2 && args[0] == "-c" {
		args = args[2:]
	}
	return args[0]
}

// file returns the content of a file, or what the go command takes for it, at a commit. The error is
// fs.ErrNotExist if there is none.
func (g *git) file(ctx context.Context, commit, name string) ([]byte, error) {
	if strings.ContainsAny(name, "\r\n") {
		return nil, fmt.Errorf("%q cannot be the path of a file in a module", name)
	}
	object := commit + ":" + name
	out, err := g.ask(ctx, object+"\n", modzip.MaxGoMod+1<<10, "cat-file", "--batch")
	if errors.Is(err, artifact.ErrLimit) {
		return nil, tooLarge(name)
	}
	if err != nil {
		return nil, err
	}
	return parseObject(object, out)
}

// A limitedWriter fails when more is written than the limit.
type limitedWriter struct {
	dst  io.Writer
	left int64
	err  error
}

// Write implements io.Writer.
func (w *limitedWriter) Write(p []byte) (int, error) {
	if w.left -= int64(len(p)); w.left < 0 && w.err == nil {
		w.err = fmt.Errorf("it has more to say than is accepted: %w", artifact.ErrLimit)
	}
	if w.err != nil {
		return 0, w.err
	}
	n, err := w.dst.Write(p)
	if err != nil {
		w.err = err
	}
	return n, err
}

// A tail keeps the end of what is written.
type tail struct {
	buf []byte
	cut bool
}

// Write implements io.Writer.
func (t *tail) Write(p []byte) (int, error) {
	t.buf = append(t.buf, p...)
	if over := len(t.buf) - maxSaid; over > 0 {
		t.buf, t.cut = slices.Delete(t.buf, 0, over), true
	}
	return len(p), nil
}

// String returns it in one line, without control characters and credentials.
func (t *tail) String() string {
	kept := string(t.buf)
	if t.cut { // perhaps within a URL, whose password would not be seen to be one
		kept = kept[strings.IndexAny(kept+" ", " \n"):]
	}
	printable := func(r rune) rune {
		if r == '\n' || r == '\t' {
			return ' '
		}
		if !unicode.IsPrint(r) {
			return -1
		}
		return r
	}
	return redact.Text(strings.Join(strings.Fields(strings.Map(printable, strings.ToValidUTF8(kept, ""))), " "))
}
