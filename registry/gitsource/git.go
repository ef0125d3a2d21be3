package gitsource

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"unicode"

	"github.com/modferry/modferry/artifact"
	"github.com/modferry/modferry/registry/gocmd"
	"github.com/modferry/modferry/registry/redact"
)

// What is kept of a command's output, as the names of a million files, and of its complaints.
const maxOutput, maxStderr = 256 << 20, 4 << 10

// A command is a program, with the directory and the environment it runs in.
type command struct {
	path string
	args []string // before those of each run
	dir  string
	env  []string
}

// gitEnv is the environment without variables that lead git to another repository, as it sets them for hooks.
func gitEnv() []string {
	elsewhere := []string{
		"GIT_DIR", "GIT_WORK_TREE", "GIT_IMPLICIT_WORK_TREE", "GIT_PREFIX", "GIT_COMMON_DIR", "GIT_INDEX_FILE", "GIT_NAMESPACE",
		"GIT_OBJECT_DIRECTORY", "GIT_ALTERNATE_OBJECT_DIRECTORIES", "GIT_SHALLOW_FILE", "GIT_GRAFT_FILE", "GIT_REPLACE_REF_BASE",
		"GIT_GLOB_PATHSPECS", "GIT_NOGLOB_PATHSPECS", "GIT_ICASE_PATHSPECS",
	}
	env := slices.DeleteFunc(os.Environ(), func(v string) bool {
		name, _, _ := strings.Cut(v, "=")
		return slices.Contains(elsewhere, name)
	})
	return append(env, "LC_ALL=C", "GIT_TERMINAL_PROMPT=0", "GIT_TEMPLATE_DIR=") // what is made here needs no hooks
}

// newGit is the git command that sees the repository of a work tree as it is.
func newGit(top string) (*command, error) {
	path, err := exec.LookPath("git")
	if err != nil {
		return nil, fmt.Errorf("%s is in a git repository, so git is needed: %w", top, err)
	}
	return &command{
		path: path,
		// What looks like a bare repository may be files of somebody else's, and a monitor is a program to run.
		args: []string{"-c", "safe.bareRepository=explicit", "-c", "core.fsmonitor=false", "-c", "advice.graftFileDeprecated=false"},
		dir:  top,
		env: append(gitEnv(), "PWD="+top, "GIT_OPTIONAL_LOCKS=0", "GIT_LITERAL_PATHSPECS=1",
			"GIT_CEILING_DIRECTORIES="+filepath.Dir(top),             // go no higher
			"GIT_NO_REPLACE_OBJECTS=1", "GIT_GRAFT_FILE="+os.DevNull, // neither is cloned, so nobody else sees them
			// What a partial clone lacks git would fetch, and nothing is fetched.
			"GIT_NO_LAZY_FETCH=1", "GIT_ALLOW_PROTOCOL=none"),
	}, nil
}

// line is output for commands that print one line.
func (c *command) line(ctx context.Context, args ...string) (string, error) {
	out, err := c.output(ctx, args...)
	return strings.TrimRight(string(out), "\r\n"), err
}

// output runs the command and returns what it prints, also if it fails.
func (c *command) output(ctx context.Context, args ...string) ([]byte, error) {
	cmd := gocmd.Command(ctx, c.path, slices.Concat(c.args, args)...)
	cmd.Dir, cmd.Env = c.dir, c.env
	stdout, stderr := &limited{max: maxOutput}, &limited{max: maxStderr}
	cmd.Stdout, cmd.Stderr = stdout, stderr
	err := cmd.Run()
	switch {
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case err == nil && stdout.over:
		err = fmt.Errorf("it prints more than %d bytes: %w", maxOutput, artifact.ErrLimit)
	case err == nil:
		return stdout.buf, nil
	}
	return stdout.buf, fmt.Errorf("%s %s: %w: %s", filepath.Base(c.path), args[0], err, printable(stderr.buf, stderr.over))
}

// exitCode returns what a command ended with; -1 if it succeeded, was not run, or did not come to its end.
func exitCode(err error) int {
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return exit.ExitCode()
	}
	return -1
}

// limited keeps the beginning of what is written.
type limited struct {
	buf  []byte
	max  int
	over bool
}

// Write implements io.Writer.
func (l *limited) Write(p []byte) (int, error) {
	kept := p[:min(len(p), l.max-len(l.buf))]
	l.buf = append(l.buf, kept...)
	l.over = l.over || len(kept) < len(p)
	return len(p), nil
}

// printable makes one line of what a program says, without control characters and credentials. If it is cut,
// so is the last word, which may be an address whose password would not be seen to be one.
func printable(said []byte, cut bool) string {
	words := strings.FieldsFunc(strings.ToValidUTF8(string(said), ""), func(r rune) bool {
		return unicode.IsSpace(r) || !unicode.IsPrint(r)
	})
	if cut && len(words) > 0 {
		words[len(words)-1] = "…"
	}
	return redact.Text(strings.Join(words, " "))
}
