// Package doctor finds out what is wrong with the go command's settings, the shim and the checksum snapshot. It changes
// nothing.
package doctor

import (
	"cmp"
	"context"
	"fmt"
	"strings"

	"github.com/modferry/modferry/artifact/sumdb"
	"github.com/modferry/modferry/registry/redact"
)

// Status is how things are with what a [Finding] is about.
type Status string

// What a finding can say.
const (
	OK    Status = "ok"
	Note  Status = "note"  // worth knowing
	Wrong Status = "wrong" // to be mended
)

// Finding is what doctor says about one thing.
type Finding struct {
	Check  string `json:"check"`
	Status Status `json:"status"`
	Value  string `json:"value"`
	From   string `json:"from,omitempty"`   // where the value was set
	Detail string `json:"detail,omitempty"` // what is wrong, or worth knowing
	Mend   string `json:"mend,omitempty"`   // the command that mends it
}

// String returns the finding for people, in one to three lines.
func (f Finding) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%-5s  %-12s  %s", f.Status, f.Check, cmp.Or(f.Value, "-"))
	if f.From != "" {
		fmt.Fprintf(&b, "  (%s)", f.From)
	}
	if f.Detail != "" {
		fmt.Fprintf(&b, "\n       %s", f.Detail)
	}
	if f.Mend != "" {
		fmt.Fprintf(&b, "\n       mend: %s", f.Mend)
	}
	return b.String()
}

func ok(detail string) Finding          { return Finding{Status: OK, Detail: detail} }
func note(detail string) Finding        { return Finding{Status: Note, Detail: detail} }
func wrong(detail, mend string) Finding { return Finding{Status: Wrong, Detail: detail, Mend: mend} }

// Options are by what measure [Examine] examines. All but Private, Push, Unsigned and Policy are required.
type Options struct {
	Log     *sumdb.Log // that the go command is to ask for
	Shim    string     // the URL that GOPROXY should be
	Listen  string     // the address that modferry serve listens on unless told
	Private string     // patterns of modules that are not in the log
	Getenv  func(name string) (value string, ok bool)

	Store    string                                         // where versions are
	List     func(context.Context) error                    // lists what is in there
	Snapshot func(context.Context) (*sumdb.Snapshot, error) // reads the newest one in the store

	// Push finds out whether the store takes content, as [registry.Store.ProbePush] does; nil = it does not matter.
	Push func(context.Context) (left bool, err error)

	Unsigned bool    // Snapshot does not check its signature
	Policy   *Policy // nil: there is none
}

// examination is one run of [Examine].
type examination struct {
	Options
	env *goEnv
}

// Examine looks at the go command's settings, at the shim that they lead to, at the store, at the newest snapshot in it,
// and at what the go command has seen of the log, in this order. Findings show no credentials of URLs. It is [ErrNoGo] where there is
// no go command.
func Examine(ctx context.Context, o Options) ([]Finding, error) {
	env, err := readGoEnv(ctx, o.Getenv)
	if err != nil {
		return nil, err
	}
	e := examination{o, env}
	findings := e.all(ctx)
	for i := range findings {
		for _, text := range []*string{&findings[i].Value, &findings[i].Detail, &findings[i].Mend} {
			*text = redact.Text(*text)
		}
	}
	return findings, nil
}

func (e *examination) all(ctx context.Context) []Finding {
	proxy, store := e.proxy(ctx), e.store(ctx)
	findings := append(e.settings(), proxy, store)
	if e.Policy != nil {
		findings = append(findings, e.policy())
	}
	if store.Status == Wrong {
		return findings // and whatever else is asked of it fails for the same reason
	}
	if e.Push != nil {
		findings = append(findings, e.push(ctx))
	}
	s, err := e.Snapshot(ctx)
	findings = append(findings, e.snapshot(s, err))
	if s == nil {
		return findings
	}
	if proxy.Status == OK {
		findings = append(findings, e.shimHead(ctx, s))
	}
	return append(findings, e.clientHead(s))
}
