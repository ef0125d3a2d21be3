// Package command has what all commands share: streams, options, exit codes and hints, and how they open what options name.
package command

import (
	"encoding/json"
	"fmt"
	"io"
	"os"

	"github.com/urfave/cli/v2"
	"golang.org/x/term"

	"github.com/modferry/modferry/registry/redact"
)

// Streams is everything a command reads and writes besides files and the network, so that tests can run
// commands in their own process.
type Streams struct {
	In       io.Reader
	Out, Err io.Writer
	Env      func(name string) (value string, ok bool)
}

// App is what the commands share: the streams of one run of the program.
type App struct{ Streams }

// Output is standard output. It remembers the first error, and takes nothing after it: what others read is complete up
// to some point. No command writes concurrently.
type Output struct {
	To  io.Writer
	Err error
}

// Write writes p, unless something is missing before it.
func (o *Output) Write(p []byte) (n int, err error) {
	if o.Err == nil {
		n, o.Err = o.To.Write(p)
	}
	return n, o.Err
}

// Unwrapped returns what a program has to be started with to inherit the output itself, not a copy of it.
func Unwrapped(w io.Writer) io.Writer {
	if o, ok := w.(*Output); ok {
		return o.To
	}
	return w
}

// IsTerminal says whether v (a stream of the app) is a terminal.
func IsTerminal(v any) bool {
	f, ok := v.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// Print prints a result: as a line of JSON where --json asks for that, else as text.
func (a *App) Print(c *cli.Context, result any, text string) error {
	if c.Bool(FlagJSON) {
		return json.NewEncoder(a.Out).Encode(result)
	}
	_, err := fmt.Fprintln(a.Out, text)
	return err
}

// Warn writes one line to the error stream that nobody should overlook.
func (a *App) Warn(format string, args ...any) {
	fmt.Fprintf(a.Err, "modferry: WARNING: %s\n", redact.Text(fmt.Sprintf(format, args...)))
}
