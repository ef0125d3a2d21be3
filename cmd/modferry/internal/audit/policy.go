package audit

import (
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/modferry/modferry/artifact/sign"
)

// PolicyTable returns what a trust policy says as a table.
func PolicyTable(s sign.PolicySummary) string {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	for _, k := range s.Keys {
		fmt.Fprintf(w, "key\t%s\t%s\t%s\n", k.Name, k.ID, until(k))
	}
	for _, r := range s.Rules {
		fmt.Fprintf(w, "rule\tline %d\t%s\tsigned by %s, checksum database: %s\n",
			r.Line, strings.Join(r.Modules, " "), r.Needs, r.ChecksumDatabase)
	}
	for _, d := range s.Deny {
		fmt.Fprintf(w, "deny\tline %d\t%s\t%s\n", d.Line, strings.Join(d.Modules, " "), d.Reason)
	}
	for _, d := range s.Revoked {
		fmt.Fprintf(w, "revoked\t\t%s\t\n", d)
	}
	w.Flush()
	return strings.TrimSuffix(b.String(), "\n")
}

// until says how long a key counts.
func until(k sign.KeySummary) string {
	switch {
	case k.Revoked:
		return "revoked"
	case k.Expired:
		return "expired on " + k.NotAfter.Format(time.DateOnly)
	case !k.NotAfter.IsZero():
		return "until " + k.NotAfter.Format(time.RFC3339)
	}
	return ""
}
