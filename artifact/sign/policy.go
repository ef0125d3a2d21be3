package sign

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/opencontainers/go-digest"
	"golang.org/x/mod/module"

	"github.com/modferry/modferry/artifact/goproxy"
)

// Policy is a trust policy: who may deliver which modules, and what is not to be used whoever delivers it.
// [ParsePolicy] has its grammar. A policy never changes, but keys in it may expire. It may be used concurrently.
type Policy struct {
	name    string
	keys    []*trusted // in the order of the file
	all     *Keys      // of keys, those that do not count included: so that refusals can say whose signature it is
	rules   []*rule
	covers  map[string]*rule  // by pattern: path | path "/**" | "**"
	folded  map[string]string // the first such pattern, by what it is in lower case
	common  *rule             // for what is no module
	head    *rule             // for a snapshot
	denials []denial
	digests map[digest.Digest]bool // that are revoked
	now     func() time.Time
}

// trusted is an entry of keys: somebody whose signatures may count.
type trusted struct {
	name     string
	file     string // as the policy names it
	id       string // of the key; "" if it could not be read
	maker    string // of its signatures, as people know it
	notAfter time.Time
	line     int
	revoked  bool
}

// expired reports whether a key counts no more at a time.
func (t *trusted) expired(now time.Time) bool { return !t.notAfter.IsZero() && now.After(t.notAfter) }

// rule says whose signatures count for the modules that it covers.
type rule struct {
	modules   []string // patterns
	threshold int
	of        []*trusted
	records   Records
	line      int // 0: the rule is not in the file

	last atomic.Pointer[fingerprint] // that was asked for
}

// fingerprint is what [Rule] has, and stays the same after one moment and until another, of which zero is none.
type fingerprint struct {
	text         string
	after, until time.Time
}

// fingerprint returns the fingerprint at a time. It is computed once for as long as no key expires.
func (r *rule) fingerprint(now time.Time) string {
	if f := r.last.Load(); f != nil && now.After(f.after) && (f.until.IsZero() || !now.After(f.until)) {
		return f.text
	}
	var f fingerprint
	for _, t := range r.of {
		switch end := t.notAfter; {
		case t.expired(now) && end.After(f.after):
			f.after = end
		case !t.expired(now) && !end.IsZero() && (f.until.IsZero() || end.Before(f.until)):
			f.until = end
		}
	}
	facts := append([]string{string(r.records), strconv.Itoa(r.threshold)}, r.counting(now)...)
	f.text = "policy:" + digest.FromString(strings.Join(facts, "\n")).String()
	r.last.Store(&f)
	return f.text
}

// denial is an entry of deny.
type denial struct {
	patterns []goproxy.Pattern
	reason   string
	line     int
}

// isModule reports whether a path can be that of a module. Snapshots, indexes and what else is signed have others.
func isModule(path string) bool {
	first, _, _ := strings.Cut(path, "/")
	return strings.Contains(first, ".")
}

// sumdbPrefix is what the paths of checksum database snapshots begin with.
const sumdbPrefix = "sumdb/"

// rule returns the rule that covers a path, and the pattern by which it does: of those with the longest prefix. It is
// nil if there is none.
func (p *Policy) rule(path string) (r *rule, pattern string) {
	switch {
	case strings.HasPrefix(path, sumdbPrefix):
		return p.head, path
	case !isModule(path):
		return p.common, path
	}
	return longest(path, func(pattern string) (*rule, bool) { r := p.covers[pattern]; return r, r != nil })
}

// longest looks for the patterns that cover a path, the longest first, until there is one.
func longest[T any](path string, find func(pattern string) (T, bool)) (found T, pattern string) {
	if found, ok := find(path); ok {
		return found, path
	}
	for prefix := path; ; {
		pattern := prefix + "/**"
		if found, ok := find(pattern); ok {
			return found, pattern
		}
		i := strings.LastIndexByte(prefix, '/')
		if i < 0 {
			found, _ = find("**")
			return found, "**"
		}
		prefix = prefix[:i]
	}
}

// OtherCase returns the pattern of the rule that would cover a module if upper and lower case were alike, and does
// not, "" if there is none. To the go command, paths that differ in case are different modules, and so are they to
// rules: what one of them grants is not granted to the other. But many a host has both at one place, so somebody may
// have meant both.
func (p *Policy) OtherCase(path string) string {
	if !isModule(path) {
		return ""
	}
	_, pattern := p.rule(path)
	meant, folded := longest(strings.ToLower(path), func(pattern string) (string, bool) { s, ok := p.folded[pattern]; return s, ok })
	if strings.EqualFold(pattern, folded) {
		return ""
	}
	return meant
}

// addCommon adds the rules for what is no module: it confirms or names modules, and is not used in their place. One key
// that some rule names is enough for it; for a snapshot, which the log signed besides, one of those who deliver what the
// log knows.
func (p *Policy) addCommon() {
	p.common, p.head = &rule{threshold: 1, records: RecordsNone}, &rule{threshold: 1, records: RecordsNone}
	for _, r := range p.rules {
		p.common.of = append(p.common.of, r.of...)
		if r.records != RecordsNone {
			p.head.of = append(p.head.of, r.of...)
		}
	}
}

// counting returns the IDs of the keys of a rule that count at a time, sorted, each once.
func (r *rule) counting(now time.Time) []string {
	var ids []string
	for _, t := range r.of {
		if !t.revoked && !t.expired(now) {
			ids = append(ids, t.id)
		}
	}
	slices.Sort(ids)
	return slices.Compact(ids)
}

// Rule implements [Verifier]. It has the name of the pattern in the policy that covers the module. Its fingerprint is
// of what the rule says and of the keys that count now. Where no rule covers the module, it has no name, and nothing
// will do.
func (p *Policy) Rule(path string) Rule {
	r, pattern := p.rule(path)
	if r == nil {
		return Rule{Records: RecordsRequired, Fingerprint: "policy: no rule"}
	}
	return Rule{Name: pattern, Records: r.records, Fingerprint: r.fingerprint(p.now())}
}

// Deny implements [Verifier]: it knows what the policy denies and which digests it revokes. That no rule covers a
// module is for Verify to tell, since nobody is to be refused what does not exist.
func (p *Policy) Deny(s Subject) error {
	if p.digests[s.Digest] {
		return fmt.Errorf("%w %s: it revokes the digest %s\n%s", ErrForbidden, p.name, s.Digest, adviceDenied)
	}
	if d, pattern := p.denial(s.Module); d != nil {
		return fmt.Errorf("%w %s: line %d denies %s%s\n%s",
			ErrForbidden, p.name, d.line, pattern, because(d.reason), adviceDenied)
	}
	return nil
}

// What whoever is refused something can do about it.
const (
	adviceDenied = "What to do: take another version or module, or ask whoever keeps that policy."
	adviceRule   = "What to do: ask whoever keeps that policy for a rule. modferry policy explain tells more."
	adviceSigned = "What to do: have it signed by whom the policy names, or ask whoever keeps that policy. " +
		"modferry policy explain tells more."
)

func because(reason string) string {
	if reason == "" {
		return ""
	}
	return ": " + reason
}

// denial returns what denies a module version, nil if nothing does. A denial without a range holds for a module
// without a version, too.
func (p *Policy) denial(m module.Version) (*denial, string) {
	if !isModule(m.Path) {
		return nil, ""
	}
	for i := range p.denials {
		for _, pattern := range p.denials[i].patterns {
			if pattern.MatchFold(m) {
				return &p.denials[i], pattern.String()
			}
		}
	}
	return nil, ""
}

// Verify implements [Verifier]. It returns the names of the keys that count for the rule, in the order of the rule,
// and of one key with several names the first.
func (p *Policy) Verify(ctx context.Context, s Subject, sigs []Signature) ([]string, error) {
	e, err := p.Explain(ctx, s, sigs)
	if err != nil {
		return nil, err
	}
	return e.Keys, e.Err
}
