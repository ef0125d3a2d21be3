package main

import (
	"errors"
	"fmt"
	"io"
	"math"
	"strings"
	"unicode"

	"github.com/modferry/modferry/proxyshim"
	"github.com/modferry/modferry/proxyshim/check"
	"github.com/modferry/modferry/registry/mirror/project"
	"github.com/modferry/modferry/registry/redact"
)

// proof is what check finds out, and how it is shown.
type proof struct {
	out      io.Writer
	json     bool
	project  *project.Project
	dir      string // as the user named the project
	store    string
	wishlist string // file

	downloadAll bool // was asked for

	ran, failed, untidy int // commands; failed ones have run, untidy ones have failed
	broken              int // problems of the project that keep it from working
	said                map[string]string
	missing             []proxyshim.Miss
	own                 []string // packages that the project itself lacks
	dialled             []string
	noted               noted
}

// problems names what is wrong with the project's files.
func (p *proof) problems(w io.Writer) {
	for _, err := range p.project.Problems {
		p.warn(w, err)
		var problem *project.Problem
		if !errors.As(err, &problem) || !problem.Warning {
			p.broken++
		}
	}
}

// warn names something that is wrong, which the project may have named.
func (p *proof) warn(w io.Writer, err error) {
	fmt.Fprintf(w, "modferry: %s\n", shown(err.Error()))
}

// shown is text that others wrote, on one line, without what a terminal would obey and without the credentials of URLs.
func shown(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsGraphic(r) {
			return r
		}
		return ' '
	}, strings.ToValidUTF8(redact.Text(text), "?"))
}

// checkedCommand is a result as JSON.
type checkedCommand struct {
	Command  string  `json:"command"`
	Dir      string  `json:"dir,omitempty"`
	Platform string  `json:"platform,omitempty"`
	Status   string  `json:"status"` // ok, failed, skipped
	Seconds  float64 `json:"seconds"`
	Reason   string  `json:"reason,omitempty"` // why it was skipped
	Untidy   bool    `json:"untidy,omitempty"`
	Said     string  `json:"said,omitempty"`
}

// result shows one command as it ends.
func (p *proof) result(r check.Result) {
	status := "ok"
	switch {
	case r.Skipped != "":
		status = "skipped"
	case r.Failed():
		status = "failed"
		p.failed++
	}
	if r.Skipped == "" {
		p.ran++
	}
	if r.Untidy {
		p.untidy++
	}
	if p.json {
		p.encode(checkedCommand{r.Command, r.Dir, r.Platform, status, math.Round(r.Elapsed.Seconds()*1000) / 1000, r.Skipped, r.Untidy, r.Said})
		return
	}
	if r.Failed() {
		status = "FAILED" // the one word nobody should overlook
	}
	command := r.Command
	if r.Dir != "" {
		command += " (in " + r.Dir + ")"
	}
	took := fmt.Sprintf("%.1f s", r.Elapsed.Seconds())
	if r.Skipped != "" {
		took, command = "", command+": "+r.Skipped
	}
	fmt.Fprintf(p.out, "%-7s  %7s  %-13s  %s\n", status, took, r.Platform, command)
	p.quote(strings.TrimSuffix(command+" for "+r.Platform, " for "), r.Said)
}

// saidLines is how much of what a command said is shown. JSON has more.
const saidLines = 8

// quote shows what a command said, unless another one said the same before.
func (p *proof) quote(command, said string) {
	if said == "" {
		return
	}
	if before, ok := p.said[said]; ok {
		fmt.Fprintf(p.out, "         the same as %s\n", before)
		return
	}
	if p.said == nil {
		p.said = make(map[string]string)
	}
	p.said[said] = command
	lines := strings.Split(said, "\n")
	for _, line := range lines[:min(len(lines), saidLines)] {
		fmt.Fprintf(p.out, "         %s\n", line)
	}
	if more := len(lines) - saidLines; more > 0 {
		fmt.Fprintf(p.out, "         … and %d more lines\n", more)
	}
}
