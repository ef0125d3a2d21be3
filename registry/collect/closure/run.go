package closure

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/modferry/modferry/registry/gocmd"
)

// stopAfter is how long an interrupted command has to stop, and one that has ended to let go of its output.
const stopAfter = 10 * time.Second

// Run runs a command with the user's environment, but GOPROXY set to a recording, no way around it,
// and an empty GOMODCACHE, and returns what it fetched, even if it failed: then
// the error is an *exec.ExitError. That it leaves a process behind which holds its output is a warning.
func (r *Runner) Run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) (_ *Result, err error) {
	if len(args) == 0 {
		return nil, errors.New("recording: there is no command")
	}
	v, err := r.view(args[0], "")
	if err != nil {
		return nil, fmt.Errorf("recording: %w", err)
	}
	defer v.end(&err)
	v.exact = true
	cmd := gocmd.Command(ctx, args[0], args[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = stdin, stdout, stderr
	cmd.Env = append(os.Environ(), r.recording(v)...)
	cmd.WaitDelay = r.stopAfter
	failed := cmd.Run()
	if errors.Is(failed, exec.ErrWaitDelay) { // it ended well itself
		failed = nil
		v.warn("recording", errors.New("it left a process behind that holds its output: what that fetches is not recorded any more"))
	}
	result, err := v.result(ctx)
	if err != nil {
		return nil, err
	}
	if exit := (*exec.ExitError)(nil); failed != nil && !errors.As(failed, &exit) {
		return nil, fmt.Errorf("recording %s: %w", args[0], failed)
	}
	return result, failed
}

// recording is the environment that leads a go command to a view's recording. What is
// empty in the environment would count as unset.
func (r *Runner) recording(v *view) []string {
	env := []string{
		"GOPROXY=" + v.URL(), "GONOPROXY=none", "GONOSUMDB=" + cmp.Or(r.o.NoSumDB, "none"),
		"GOMODCACHE=" + filepath.Join(v.dir, "mod"),
	}
	if r.o.GOSUMDB != "" {
		env = append(env, "GOSUMDB="+r.o.GOSUMDB)
	}
	return env
}
