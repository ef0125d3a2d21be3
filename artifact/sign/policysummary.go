package sign

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/opencontainers/go-digest"
)

// PolicySummary is what a policy says, for people and programs.
type PolicySummary struct {
	Keys     []KeySummary    `json:"keys"`
	Rules    []RuleSummary   `json:"rules"`
	Deny     []DenySummary   `json:"deny,omitempty"`
	Revoked  []digest.Digest `json:"revokedDigests,omitempty"`
	Warnings []string        `json:"warnings,omitempty"` // what is allowed, and probably not meant
}

// KeySummary is one of the keys of a policy.
type KeySummary struct {
	Name     string    `json:"name"`
	ID       string    `json:"id"` // the ID of a public key, or "subject (issuer)" of an identity; see [Keys.Verify]
	File     string    `json:"file"`
	NotAfter time.Time `json:"notAfter,omitzero"`
	Expired  bool      `json:"expired,omitempty"`
	Revoked  bool      `json:"revoked,omitempty"`
}

// RuleSummary is one of the rules of a policy.
type RuleSummary struct {
	Line             int      `json:"line"`
	Modules          []string `json:"modules"`
	Threshold        int      `json:"threshold"`
	Keys             []string `json:"keys"`
	Needs            string   `json:"needs"` // threshold and keys in words
	ChecksumDatabase Records  `json:"checksumDatabase"`
}

// DenySummary is an entry of the deny list of a policy.
type DenySummary struct {
	Line    int      `json:"line"`
	Modules []string `json:"modules"`
	Reason  string   `json:"reason,omitempty"`
}

// Private returns the modules that no rule looks for in the checksum database as GONOSUMDB has them. What is below
// such a module and covered by another rule is among them: GONOSUMDB cannot say that.
func (p *Policy) Private() string {
	var patterns []string
	for _, r := range p.rules {
		for _, pattern := range r.modules {
			if r.records != RecordsNone {
				continue
			}
			if pattern, _ = strings.CutSuffix(pattern, "/**"); pattern == "**" {
				pattern = "*"
			}
			patterns = append(patterns, pattern)
		}
	}
	return strings.Join(patterns, ",")
}

// Summary returns what the policy says, in the order of the file, and as things are now.
func (p *Policy) Summary() PolicySummary {
	now := p.now()
	s := PolicySummary{Revoked: slices.Sorted(maps.Keys(p.digests))}
	named := make(map[*trusted]bool)
	for _, r := range p.rules {
		sum := RuleSummary{
			Line: r.line, Modules: r.modules, Threshold: r.threshold, Needs: r.needs(), ChecksumDatabase: r.records,
		}
		for _, t := range r.of {
			named[t], sum.Keys = true, append(sum.Keys, t.name)
		}
		for _, pattern := range r.modules {
			if first := p.folded[strings.ToLower(pattern)]; first != pattern {
				s.Warnings = append(s.Warnings, fmt.Sprintf(
					"line %d: %s and %s differ in upper and lower case only: they are rules for different modules", r.line, pattern, first))
			}
		}
		if n := len(r.counting(now)); n < r.threshold {
			s.Warnings = append(s.Warnings, fmt.Sprintf(
				"line %d: nothing can meet the rule for %s: it needs %d keys, and %d count", r.line, r.modules[0], r.threshold, n))
		}
		s.Rules = append(s.Rules, sum)
	}
	for _, t := range p.keys {
		k := KeySummary{
			Name: t.name, ID: t.maker, File: t.file, NotAfter: t.notAfter, Expired: t.expired(now), Revoked: t.revoked,
		}
		if !named[t] {
			s.Warnings = append(s.Warnings, fmt.Sprintf("line %d: no rule names the key %s", t.line, t.name))
		}
		s.Keys = append(s.Keys, k)
	}
	for _, d := range p.denials {
		sum := DenySummary{Line: d.line, Reason: d.reason}
		for _, pattern := range d.patterns {
			sum.Modules = append(sum.Modules, pattern.String())
		}
		s.Deny = append(s.Deny, sum)
	}
	return s
}
