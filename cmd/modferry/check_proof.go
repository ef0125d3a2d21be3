package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/modferry/modferry/proxyshim"
	"github.com/modferry/modferry/proxyshim/check"
	"github.com/modferry/modferry/registry/mirror/project"
)

// proof is what check finds out, and how it is shown.
type proof struct {
	out      io.Writer
	json     bool
	project  *project.Project
	dir      string // as the user named the project
	store    string
	wishlist string // file

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
		fmt.Fprintf(w, "modferry: %v\n", err)
		var problem *project.Problem
		if !errors.As(err, &problem) || !problem.Warning {
			p.broken++
		}
	}
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
		p.encode(checkedCommand{r.Command, r.Dir, r.Platform, status, r.Elapsed.Round(time.Millisecond).Seconds(), r.Skipped, r.Untidy, r.Said})
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

// checkSummary is the last word of check as JSON.
type checkSummary struct {
	Store    string `json:"store"`
	Commands int    `json:"commands"`
	Failed   int    `json:"failed"`
	Problems int    `json:"problems"` // of the project's files
	Missing  int    `json:"missing"`
	Refused  int    `json:"refused"`
	Dialled  int    `json:"dialled"`
}

// verdict says what the results mean and what to do about them.
func (p *proof) verdict() error {
	refused, _ := p.noted.all()
	if p.json {
		p.encodeVerdict(refused)
	} else {
		p.explain(refused)
	}
	switch {
	case len(refused) > 0:
		return &exitError{code: exitRefused, err: fmt.Errorf("the shim refused %s", count(len(refused), "module version", "module versions"))}
	case p.failed > 0:
		return itemsFailed(p.failed, fmt.Sprintf("of %d commands failed", p.ran))
	case p.broken > 0:
		return itemsFailed(p.broken, "problems of the project, named above, keep this from being a proof")
	case len(p.dialled) > 0:
		return itemsFailed(len(p.dialled), "others than the store were to be asked")
	}
	return nil
}

// encode writes a line of JSON. Where nobody reads it, the exit code still says the verdict.
func (p *proof) encode(v any) { _ = json.NewEncoder(p.out).Encode(v) }

func (p *proof) encodeVerdict(refused []string) {
	for _, r := range refused {
		p.encode(map[string]string{"refused": r})
	}
	for _, m := range p.missing {
		p.encode(map[string]string{"missing": wishFor(m)})
	}
	for _, pkg := range p.own {
		p.encode(map[string]string{"ownMissing": pkg})
	}
	for _, host := range p.dialled {
		p.encode(map[string]string{"dialled": host})
	}
	p.encode(map[string]checkSummary{"summary": {p.store, p.ran, p.failed, p.broken, len(p.missing), len(refused), len(p.dialled)}})
}

// explain is the verdict for people: what is wrong, and what to do next.
func (p *proof) explain(refused []string) {
	say := func(format string, args ...any) { fmt.Fprintf(p.out, format+"\n", args...) }
	say("")
	if len(refused) > 0 {
		say("%s refused, for a signature or a hash is not right:", count(len(refused), "module version was", "module versions were"))
		p.list(refused)
		say("Find out why before anybody uses it: modferry verify MODULE@VERSION examines one.")
	}
	if len(p.missing) > 0 {
		wishes := make([]string, len(p.missing))
		for i, m := range p.missing {
			wishes[i] = wishFor(m)
		}
		say("%s missing:", count(len(wishes), "module version is", "module versions are"))
		p.list(wishes)
		p.adviseMirror(say)
	}
	if len(p.own) > 0 {
		say("%s missing in the project itself; no store has them:", count(len(p.own), "package is", "packages are"))
		p.list(p.own)
	}
	if len(p.dialled) > 0 {
		say("A command wanted to reach others than the store. It was not let through; inside, nobody would answer:")
		p.list(p.dialled)
	}
	if p.untidy > 0 {
		say("The store has all that go mod tidy needs, but go.mod or go.sum is not as it leaves them: run go mod tidy, and mirror the project again.")
	}
	p.blame(say)
	if len(p.dialled) == 0 {
		say("Nobody but the store was asked: %s", p.store)
	}
}

// adviseMirror says how to get what is missing.
func (p *proof) adviseMirror(say func(string, ...any)) {
	say("On the connected side, mirror them, then check again: a go command may stop at the first thing it lacks.")
	if p.wishlist != "" {
		say("    modferry mirror --key cosign.key %s", quoteWord(p.wishlist))
		return
	}
	say("    modferry mirror --key cosign.key %s", quoteWord(p.dir))
	say("    (or give --%s FILE here, and mirror FILE)", flagWishlist)
}

// blame says whether the project works, and if it does not, whether that is for want of a module.
func (p *proof) blame(say func(string, ...any)) {
	refused, unanswered := p.noted.all()
	others := p.failed - p.untidy
	switch {
	case p.failed == 0 && p.broken == 0 && len(p.dialled) == 0 && len(refused) == 0:
		say("The project works from the store alone: %s, all well.", count(p.ran, "command", "commands"))
	case unanswered > 0:
		say("The store could not answer %s, see above: this is no verdict on what it has.", count(unanswered, "request", "requests"))
	case others > 0 && len(p.missing) == 0 && len(refused) == 0 && len(p.dialled) == 0:
		say("The store had everything that was asked for: what failed lies in the project or in the go command's settings, and fails elsewhere, too.")
	}
}

// maxListed bounds how much of a list is shown. A wish list and JSON have all of it.
const maxListed = 50

func (p *proof) list(lines []string) {
	for _, line := range lines[:min(len(lines), maxListed)] {
		fmt.Fprintf(p.out, "    %s\n", line)
	}
	if more := len(lines) - maxListed; more > 0 {
		fmt.Fprintf(p.out, "    … and %d more\n", more)
	}
}

// count reads "1 command", "2 commands".
func count(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}
