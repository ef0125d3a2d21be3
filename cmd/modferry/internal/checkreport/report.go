// Package checkreport shows what the check of a project finds out, and says what it means and what to do about it.
package checkreport

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"strings"

	"github.com/modferry/modferry/proxyshim"
	"github.com/modferry/modferry/proxyshim/check"
	"github.com/modferry/modferry/registry/project"
	"github.com/modferry/modferry/registry/safetext"
)

// Report is what a check finds out. Its methods may not be called concurrently, but for Failed.
type Report struct {
	Out, Err io.Writer // results; what is wrong with the project's files
	JSON     bool      // results are JSON, one value per line

	Dir         string // as the user named the project
	Wishlist    string // the file that what is missing is written to; may be empty
	DownloadAll bool   // "go mod download all" was checked, too
	Store       string // what the shim answers from

	Missing []proxyshim.Miss // what the store lacks
	Own     []string         // packages that the project itself lacks
	Mend    []string         // commands that end the need for what is missing of the project's own modules
	Dialled []string         // who else was to be asked

	ran, failed, untidy int               // commands; failed ones have run, untidy ones have failed
	broken              int               // problems of the project that keep it from working
	shown               map[string]string // the command that printed an output first
	failures            failures
}

// Problem names a problem of the project's files.
func (r *Report) Problem(err error) {
	r.Warn(err)
	if problem, ok := errors.AsType[*project.Problem](err); !ok || !problem.Warning {
		r.broken++
	}
}

// Warn names something that is wrong, in words that the project may have chosen.
func (r *Report) Warn(err error) {
	fmt.Fprintf(r.Err, "modferry: %s\n", safetext.Lines([]byte(err.Error())))
}

// command is a result as JSON.
type command struct {
	check.Result
	Status  string  `json:"status"` // ok, failed, skipped
	Seconds float64 `json:"seconds"`
}

// Result shows one command as it ends.
func (r *Report) Result(c check.Result) {
	status, took := "ok", fmt.Sprintf("%.1f s", c.Elapsed.Seconds())
	name := c.Command
	if c.Dir != "" {
		name += " (in " + c.Dir + ")"
	}
	switch {
	case c.Skipped != "":
		status, took, name = "skipped", "", name+": "+c.Skipped
	case c.Failed():
		status = "FAILED" // the one word nobody should overlook
		r.failed++
	}
	if c.Skipped == "" {
		r.ran++
	}
	if c.Untidy {
		r.untidy++
	}
	if r.JSON {
		r.encode(command{c, strings.ToLower(status), math.Round(c.Elapsed.Seconds()*1000) / 1000})
		return
	}
	r.print("%-7s  %7s  %-13s  %s", status, took, c.Platform, name)
	r.output(strings.TrimSuffix(name+" for "+c.Platform, " for "), c.Output)
}

// outputLines is how much of the output of a command is shown. JSON has more.
const outputLines = 8

// output shows the output of a command, unless another one printed the same before.
func (r *Report) output(command, text string) {
	if text == "" {
		return
	}
	if before, ok := r.shown[text]; ok {
		r.print("         the same as %s", before)
		return
	}
	if r.shown == nil {
		r.shown = make(map[string]string)
	}
	r.shown[text] = command
	lines := strings.Split(text, "\n")
	for _, line := range lines[:min(len(lines), outputLines)] {
		r.print("         %s", line)
	}
	if more := len(lines) - outputLines; more > 0 {
		r.print("         … and %d more lines", more)
	}
}

// print writes a line. Where nobody reads it, the exit code still says the verdict.
func (r *Report) print(format string, args ...any) { fmt.Fprintf(r.Out, format+"\n", args...) }

// encode writes a line of JSON, as print does.
func (r *Report) encode(v any) { _ = json.NewEncoder(r.Out).Encode(v) }
