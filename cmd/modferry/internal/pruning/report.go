package pruning

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"github.com/modferry/modferry/registry/prune"
	"github.com/modferry/modferry/registry/redact"
)

// report tells what became of the tags in a plan.
type report struct {
	out  io.Writer
	json bool

	counts map[prune.Outcome]int
	failed int // tags that stay and should not
}

// tell prints a line for a tag.
func (r *report) tell(res prune.Result) {
	if r.counts == nil {
		r.counts = make(map[prune.Outcome]int)
	}
	r.counts[res.Outcome]++
	if res.Failed() {
		r.failed++
	}
	res.Reason = redact.Text(res.Reason)
	if r.json {
		_ = json.NewEncoder(r.out).Encode(res) // the output remembers an error
		return
	}
	line := fmt.Sprintf("%-8s %s:%s", res.Outcome, res.Repository, res.Tag)
	if res.Reason != "" {
		line += "  " + res.Reason
	}
	fmt.Fprintln(r.out, line)
}

// String returns how many tags have each outcome, in words.
func (r *report) String() string {
	var parts []string
	for _, o := range []prune.Outcome{prune.Removed, prune.Gone, prune.Kept, prune.Changed, prune.Shared, prune.Refused} {
		if n := r.counts[o]; n > 0 || o == prune.Removed {
			parts = append(parts, fmt.Sprintf("%d %s", n, o))
		}
	}
	return strings.Join(parts, ", ")
}
