package gitsource

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/modferry/modferry/registry/gocmd"
)

// A command is a program, with the directory and the environment it runs in.
type command struct {
	path string
	dir  string
	env  []string
}

// gitEnv is the environment without variables that lead git to another repository, as it sets them for hooks, and
// with more settings.
func gitEnv(settings ...[2]string) []string {
	elsewhere := []string{
		"GIT_DIR", "GIT_WORK_TREE", "GIT_IMPLICIT_WORK_TREE", "GIT_PREFIX", "GIT_COMMON_DIR", "GIT_INDEX_FILE", "GIT_NAMESPACE",
		"GIT_OBJECT_DIRECTORY", "GIT_ALTERNATE_OBJECT_DIRECTORIES", "GIT_SHALLOW_FILE", "GIT_GRAFT_FILE", "GIT_REPLACE_REF_BASE",
		"GIT_GLOB_PATHSPECS", "GIT_NOGLOB_PATHSPECS", "GIT_ICASE_PATHSPECS",
	}
	env := slices.DeleteFunc(os.Environ(), func(v string) bool {
		name, _, _ := strings.Cut(v, "=")
		return slices.Contains(elsewhere, name)
	})
	env = append(env, "LC_ALL=C", "GIT_TERMINAL_PROMPT=0", "GIT_TEMPLATE_DIR=") // what is made here needs no hooks
	n, _ := strconv.Atoi(os.Getenv("GIT_CONFIG_COUNT"))
	for i, setting := range settings {
		env = append(env, fmt.Sprintf("GIT_CONFIG_KEY_%d=%s", n+i, setting[0]),
			fmt.Sprintf("GIT_CONFIG_VALUE_%d=%s", n+i, setting[1]), fmt.Sprintf("GIT_CONFIG_COUNT=%d", n+i+1))
	}
	return env
}

// newGit is the git command that sees the repository of a work tree as it is.
func newGit(top string) (*command, error) {
	path, err := exec.LookPath("git")
	if err != nil {
		return nil, fmt.Errorf("%s is in a git repository, so git is needed: %w", top, err)
	}
	env := gitEnv([][2]string{
		{"safe.bareRepository", "explicit"}, // what looks like one may be files of somebody else's
		{"core.fsmonitor", "false"},         // a monitor is a program to run
		{"advice.graftFileDeprecated", "false"},
	}...)
	return &command{
		path: path,
		dir:  top,
		env: append(env, "PWD="+top, "GIT_OPTIONAL_LOCKS=0", "GIT_LITERAL_PATHSPECS=1",
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
	cmd := gocmd.Command(ctx, c.path, args...)
	cmd.Dir, cmd.Env = c.dir, c.env
	return gocmd.Output(ctx, cmd)
}

// exitCode returns what a command ended with; -1 if it succeeded, was not run, or did not come to its end.
func exitCode(err error) int {
	if failed, ok := errors.AsType[*gocmd.Error](err); ok {
		return failed.Code
	}
	return -1
}
