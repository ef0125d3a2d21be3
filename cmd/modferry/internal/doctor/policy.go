package doctor

import (
	"fmt"
	"strings"
	"time"

	"github.com/modferry/modferry/artifact/sign"
	"github.com/modferry/modferry/cmd/modferry/internal/shell"
)

// soon is how long before a key of the trust policy expires doctor begins to speak of it.
const soon = 30 * 24 * time.Hour

// Policy is a trust policy to examine.
type Policy struct {
	File    string
	Summary sign.PolicySummary
	Err     error // why it cannot be read
}

// policy says whether the trust policy can be used, and what to look at before it no longer can.
func (e *examination) policy() Finding {
	p := e.Policy
	var f Finding
	switch remarks := append(p.Summary.Warnings, expiring(p.Summary.Keys, time.Now())...); {
	case p.Err != nil:
		f = wrong(strings.ReplaceAll(p.Err.Error(), "\n", "; "), "modferry policy check "+shell.Quote(p.File))
	case len(remarks) > 0:
		f = note(strings.Join(remarks, "; "))
	default:
		f = ok("")
	}
	f.Check, f.Value = "policy", p.File
	if p.Err == nil {
		f.Value += fmt.Sprintf(", %d keys, %d rules", len(p.Summary.Keys), len(p.Summary.Rules))
	}
	return f
}

// expiring says which keys expire soon.
func expiring(keys []sign.KeySummary, now time.Time) (remarks []string) {
	for _, k := range keys {
		if !k.NotAfter.IsZero() && !k.Revoked && k.NotAfter.Sub(now) < soon {
			remarks = append(remarks, fmt.Sprintf("the key %s expires on %s", k.Name, k.NotAfter.Format(time.DateOnly)))
		}
	}
	return remarks
}
