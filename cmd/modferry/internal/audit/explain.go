package audit

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"text/tabwriter"

	"golang.org/x/mod/module"

	"github.com/modferry/modferry/artifact/sign"
	"github.com/modferry/modferry/registry"
	"github.com/modferry/modferry/registry/redact"
	"github.com/modferry/modferry/registry/verify"
)

// Explained is why a version is accepted or refused.
type Explained struct {
	Module     string         `json:"module"`
	Version    string         `json:"version"`
	ModOnly    bool           `json:"modOnly,omitempty"`
	Rule       string         `json:"rule,omitempty"` // the pattern that covers the module
	Line       int            `json:"line,omitempty"` // of the rule in the policy
	Needs      string         `json:"needs,omitempty"`
	Denied     string         `json:"denied,omitempty"`
	Reference  string         `json:"reference,omitempty"`
	Digest     string         `json:"digest,omitempty"`
	Signatures []sign.Finding `json:"signatures,omitempty"`
	Keys       []string       `json:"keys,omitempty"` // that count
	Records    sign.Records   `json:"checksumDatabase"`
	SumDB      verify.Logged  `json:"sumdb,omitempty"` // "" if it was not looked at
	Outcome    Outcome        `json:"outcome"`
	Error      string         `json:"error,omitempty"`
}

// signatureText says in one line what a signature counts for.
func signatureText(f sign.Finding) string {
	if f.Counts {
		return "counts, by " + strings.Join(f.Keys, ", ") + " (" + f.Format + ")"
	}
	return "does NOT count: " + f.Why + " (" + f.Format + ")"
}

// Explain finds a version in a store and decides about it, with all that led to the decision. The contents are not
// downloaded. err says why it was not accepted; what was found out by then is in the result.
func Explain(
	ctx context.Context, store *registry.Store, m module.Version, c *verify.Checker, v sign.Verifier,
) (x *Explained, err error) {
	x = &Explained{Module: m.Path, Version: m.Version, Records: c.Records(m.Path)}
	defer func() {
		if x.Outcome = OutcomeOf(err); err != nil {
			x.Error = redact.Text(err.Error())
		}
	}()
	if err := x.explain(ctx, v, sign.Subject{Module: m}, nil); err != nil {
		return x, err
	}
	mod, err := store.Find(ctx, m)
	if err != nil {
		if denied := v.Deny(sign.Subject{Module: m}); denied != nil {
			err = fmt.Errorf("%v: %w", m, denied)
		}
		return x, err
	}
	x.ModOnly, x.Digest = mod.ModOnly(), mod.Descriptor.Digest.String()
	x.Reference = store.Reference(mod.Repository, x.Digest)
	sigs, unread := store.Signatures(ctx, mod.Repository, mod.Descriptor.Digest)
	if errors.Is(unread, registry.ErrUnavailable) {
		return x, unread
	}
	if err := x.explain(ctx, v, sign.Subject{Module: m, Digest: mod.Descriptor.Digest}, sigs); err != nil {
		return x, err
	}
	found, err := c.Check(ctx, store, mod, verify.Known{})
	if found != nil {
		x.SumDB = found.Logged
	}
	return x, err
}

// explain fills in what the verifier makes of signatures.
func (x *Explained) explain(ctx context.Context, v sign.Verifier, s sign.Subject, sigs []sign.Signature) error {
	e, err := v.Explain(ctx, s, sigs)
	if err != nil {
		return err
	}
	x.Rule, x.Line, x.Needs, x.Keys = e.Rule.Name, e.Line, e.Needs, e.Keys
	if e.Denied != nil {
		x.Denied, _, _ = strings.Cut(e.Denied.Error(), "\n")
	}
	x.Signatures = e.Signatures
	return nil
}

// String returns the explanation as a table.
func (x *Explained) String() string {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	row := func(name, format string, args ...any) { fmt.Fprintf(w, name+"\t"+format+"\n", args...) }
	row("module", "%s %s%s", x.Module, x.Version, Kind(x.ModOnly))
	switch {
	case x.Needs == "":
		row("rule", "none covers it")
	case x.Line > 0:
		row("rule", "%s (line %d) needs %s", x.Rule, x.Line, x.Needs)
	default:
		row("rule", "needs %s", x.Needs)
	}
	if x.Denied != "" {
		row("denied", "%s", x.Denied)
	}
	if x.Digest != "" {
		row("stored as", "%s", x.Reference)
		if len(x.Signatures) == 0 {
			row("signature", "none")
		}
	}
	for i, s := range x.Signatures {
		row(fmt.Sprintf("signature %d", i+1), "%s", signatureText(s))
	}
	row("checksum database", "%s", x.records())
	if x.Error != "" {
		row(string(x.Outcome), "%s", strings.ReplaceAll(x.Error, "\n", "\n\t"))
	} else {
		row("accepted", "signed by %s", strings.Join(x.Keys, ", "))
	}
	w.Flush()
	return strings.TrimSuffix(b.String(), "\n")
}

// records says what the checksum database has to say, and what it says.
func (x *Explained) records() string {
	words := map[sign.Records]string{
		sign.RecordsDefault:   "a record is not needed",
		sign.RecordsRequired:  "a record is needed",
		sign.RecordsIfPresent: "a record is needed where the store has a snapshot",
		sign.RecordsNone:      "not asked",
	}[x.Records]
	if x.Records == sign.RecordsNone || x.SumDB == "" {
		return words
	}
	return words + ": " + string(x.SumDB)
}
