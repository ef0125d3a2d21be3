package sign

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Explanation is how a [Policy] decides about a subject, and why.
type Explanation struct {
	Rule       Rule
	Line       int    // of the rule in the file; 0 = it is not in there
	Needs      string // whose signatures the rule needs, in words
	Denied     error  // what [Policy.Deny] returns
	Signatures []Finding
	Keys       []string // the names of the keys that count, as [Policy.Verify] returns them
	Err        error    // nil if the subject is accepted; see [Verifier]
}

// Finding is what a policy makes of one signature.
type Finding struct {
	Format string   `json:"format"`           // its name
	Signer string   `json:"signer,omitempty"` // who made it, as of [Keys.Verify]; "" = nobody known, or it is broken
	Keys   []string `json:"keys,omitempty"`   // the names of the keys that made it; none = no Signer
	Counts bool     `json:"counts"`
	Why    string   `json:"why,omitempty"` // it does not count; "" if it does
}

// Explain decides about a subject, all signatures looked at. The error is that of a cancelled context.
func (p *Policy) Explain(ctx context.Context, s Subject, sigs []Signature) (*Explanation, error) {
	now := p.now()
	r, _ := p.rule(s.Module.Path)
	e := &Explanation{Rule: p.Rule(s.Module.Path), Denied: p.Deny(s)}
	if r != nil {
		e.Line, e.Needs = r.line, r.needs()
	}
	counted := make(signers)
	for _, sig := range sigs {
		by, err := p.all.check(s, sig)
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		f := p.finding(r, by, err, now)
		if f.Format = sig.Format.String(); f.Counts {
			counted.add(by)
		}
		e.Signatures = append(e.Signatures, f)
	}
	n := 0
	if r != nil {
		e.Keys, n = r.count(counted, now)
	}
	if e.Err = p.verdict(s, r, e, n); e.Err != nil {
		e.Keys = nil
	}
	return e, nil
}

// finding tells what a signature by somebody counts for; with an error, why it is by nobody who is known.
func (p *Policy) finding(r *rule, by maker, err error, now time.Time) Finding {
	if err != nil {
		return Finding{Why: err.Error()}
	}
	f := Finding{Signer: by.signer}
	var reasons []string
	for _, t := range p.keys {
		if !slices.Contains(by.ids, t.id) {
			continue
		}
		f.Keys = append(f.Keys, t.name)
		switch {
		case t.revoked:
			reasons = append(reasons, fmt.Sprintf("by %s, which is revoked", t.name))
		case t.expired(now):
			reasons = append(reasons, fmt.Sprintf("by %s, which expired on %s", t.name, t.notAfter.Format(time.DateOnly)))
		case r == nil || !slices.Contains(r.of, t):
			reasons = append(reasons, fmt.Sprintf("by %s, which the rule does not name", t.name))
		default:
			f.Counts = true
		}
	}
	if !f.Counts {
		f.Why = strings.Join(reasons, "; ")
	}
	return f
}

// count returns the first names of the keys among counted that count for a rule, and how many of them different
// signers have made signatures for: the same key under two names is one, and so is one signer of whom two identities
// are.
func (r *rule) count(counted signers, now time.Time) (names []string, n int) {
	var ids []string
	for _, t := range r.of {
		if len(counted[t.id]) > 0 && !slices.Contains(ids, t.id) && !t.revoked && !t.expired(now) {
			ids = append(ids, t.id)
			names = append(names, t.name)
		}
	}
	return names, counted.different(ids)
}

// verdict returns nil if n keys that count are enough for a subject, or the reason why it is refused.
func (p *Policy) verdict(s Subject, r *rule, e *Explanation, n int) error {
	if e.Denied != nil {
		return e.Denied
	}
	if r == nil {
		return fmt.Errorf("%w %s: no rule of it covers %s%s\n%s", ErrForbidden, p.name, s.Module.Path, p.caseOnly(s.Module.Path), adviceRule)
	}
	needs := fmt.Sprintf("the rule for %s (%s:%d) needs %s", e.Rule.Name, p.name, r.line, r.needs())
	if r.line == 0 {
		needs = p.name + " needs " + r.needs()
	}
	if len(e.Signatures) == 0 {
		return fmt.Errorf("%s is %w; %s\n%s", s.Digest, ErrUnsigned, needs, adviceSigned)
	}
	if err := checkDigest(s.Digest); err != nil {
		return fmt.Errorf("%w: %w", ErrUntrusted, err)
	}
	if n >= r.threshold {
		return nil
	}
	has := "none counts"
	if n > 0 {
		has = "only " + strings.Join(e.Keys, ", ") + " counts"
	}
	return fmt.Errorf("%w: %s; of %d, %s%s\n%s%s",
		ErrUntrusted, needs, len(e.Signatures), has, p.caseOnly(s.Module.Path), adviceSigned, e.others())
}

// caseOnly says of a module that a rule does not cover it for upper and lower case only, "" if none does.
func (p *Policy) caseOnly(path string) string {
	pattern := p.OtherCase(path)
	if pattern == "" {
		return ""
	}
	return "; the rule for " + pattern + " is for another module: upper and lower case differ"
}

// others says why signatures do not count, up to a bound.
func (e *Explanation) others() string {
	var reasons []error
	for _, f := range e.Signatures {
		if !f.Counts {
			reasons = append(reasons, errors.New(f.Why))
		}
	}
	if len(reasons) == 0 {
		return ""
	}
	return "\nDoes not count: " + describe(reasons)
}

// needs says whose signatures a rule needs.
func (r *rule) needs() string {
	var names []string
	for _, t := range r.of {
		if !slices.Contains(names, t.name) {
			names = append(names, t.name)
		}
	}
	switch list := strings.Join(names, ", "); {
	case len(names) == 0:
		return "a key of a rule that looks at the checksum database, and there is no such rule"
	case len(names) == 1:
		return list
	case r.threshold == 1:
		return "one of " + list
	default:
		return fmt.Sprintf("%d of %s", r.threshold, list)
	}
}
