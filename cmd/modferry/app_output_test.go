package main

import (
	"io"
	"io/fs"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/modferry/modferry/cmd/modferry/internal/command"
)

// brokenOutput takes some writes, and fails once.
type brokenOutput struct {
	takes, writes int
	err           error
}

func (b *brokenOutput) Write(p []byte) (int, error) {
	if b.writes++; b.writes == b.takes+1 {
		return 0, &fs.PathError{Op: "write", Path: os.Stdout.Name(), Err: b.err}
	}
	return len(p), nil
}

func TestOutputThatIsLostIsAFailureAndEndsTheCommand(t *testing.T) {
	b := newBench(t)
	private, _ := b.keys("cosign")
	b.upstream("example.com/a@v1.0.0", "example.com/a@v1.1.0", "example.com/b@v1.0.0")
	b.run("mirror", "--key", private, "example.com/a@v1.0.0", "example.com/a@v1.1.0", "example.com/b@v1.0.0").exits(command.ExitOK)
	b.stdin = "example.com/a\nexample.com/b\nexample.com/c@no-version\n"
	for line, takes := range map[string]int{
		"list": 0, "list ": 1, "list --json": 0, "list example.com/a example.com/none": 1, "ref -": 1, "ref example.com/a example.com/b x": 1,
		"env": 0, "inspect example.com/a@v1.0.0": 0, "version": 0, "help": 0,
		"mirror --no-sign example.com/a@v1.0.0": 0, "mirror --json --no-sign example.com/a@v1.0.0": 0,
	} {
		for cause, want := range map[error]string{
			syscall.ENOSPC: "modferry: write " + os.Stdout.Name() + ": no space left on device\n",
			syscall.EPIPE:  "", // nobody has to be told
		} {
			out := &brokenOutput{takes: takes, err: cause}
			code, errs := b.runInto(out, strings.Fields(line)...)
			complaint := errs[max(0, len(errs)-len(want)):]
			if code != command.ExitFailed || complaint != want || strings.Count(errs, "modferry: ") != strings.Count(want, "modferry: ") {
				t.Errorf("%s, %v: exit code %d, %q", line, cause, code, errs)
			}
			if out.writes != takes+1 {
				t.Errorf("%s, %v: %d writes, want %d", line, cause, out.writes, takes+1)
			}
		}
	}
}

func TestListOfModulesSkipsAndNamesThoseThatAreNotThere(t *testing.T) {
	b := newBench(t)
	b.upstream("example.com/a@v1.0.0", "example.com/b@v1.0.0")
	b.run("mirror", "--no-sign", "example.com/a@v1.0.0", "example.com/b@v1.0.0").exits(command.ExitOK)
	b.stdin = "example.com/a example.com/none\nexample.com/b\n"
	b.run("list", "-").exits(command.ExitItems).complains("example.com/none", "1 of the modules named could not be listed").
		prints("example.com/a v1.0.0\nexample.com/b v1.0.0\n")
}

func TestLostOutputDoesNotHideWhatElseFailed(t *testing.T) {
	b := newBench(t)
	b.upstream("example.com/a@v1.0.0")
	out := &brokenOutput{err: syscall.EPIPE}
	code, errs := b.runInto(out, "mirror", "--no-sign", "example.com/none@v1.0.0")
	if code != command.ExitItems || !strings.Contains(errs, "example.com/none") || out.writes != 1 {
		t.Errorf("exit code %d, %d writes, %q", code, out.writes, errs)
	}
}

// runInto executes a command line with a standard output that is none of a bench.
func (b *bench) runInto(out io.Writer, args ...string) (code int, stderr string) {
	b.t.Helper()
	var errs lockedBuffer
	s := command.Streams{In: strings.NewReader(b.stdin), Out: out, Err: &errs, Env: b.lookup}
	return execute(b.t.Context(), s, args), errs.String()
}
