package checkreport

import (
	"fmt"
	"slices"
	"strings"

	"github.com/modferry/modferry/artifact/goproxy"
	"github.com/modferry/modferry/cmd/modferry/internal/shell"
	"github.com/modferry/modferry/cmd/modferry/internal/wishlist"
	"github.com/modferry/modferry/proxyshim"
)

// Error says why it is not proved that the project works.
type Error struct {
	Refused bool // the shim refused something, because its signature or a hash is not right
	Reason  string
}

// Error returns the reason.
func (e *Error) Error() string { return e.Reason }

// summary is the last word as JSON.
type summary struct {
	Store    string `json:"store"`
	Commands int    `json:"commands"`
	Failed   int    `json:"failed"`
	Problems int    `json:"problems"` // of the project's files
	Missing  int    `json:"missing"`
	Refused  int    `json:"refused"`
	Denied   int    `json:"denied"` // requests that the registry refused
	Dialled  int    `json:"dialled"`
}

// Verdict shows, after all results, what they mean and what to do about them. The error is an [*Error] unless
// everything works.
func (r *Report) Verdict() error {
	r.failures.mu.Lock()
	defer r.failures.mu.Unlock()
	if r.JSON {
		r.encodeVerdict()
	} else {
		r.explain()
	}
	refused := len(r.failures.refused)
	switch {
	case refused > 0:
		return &Error{true, "the shim refused " + count(refused, "module version", "module versions")}
	case r.failed > 0:
		return &Error{false, fmt.Sprintf("%d of %d commands failed", r.failed, r.ran)}
	case r.broken > 0:
		return &Error{false, fmt.Sprintf("%d problems of the project, named above, keep this from being a proof", r.broken)}
	case len(r.Dialled) > 0:
		return &Error{false, fmt.Sprintf("%d others than the store were to be asked", len(r.Dialled))}
	}
	return nil
}

func (r *Report) encodeVerdict() {
	each := func(name string, values []string) {
		for _, v := range values {
			r.encode(map[string]string{name: v})
		}
	}
	each("refused", r.failures.refused)
	each("denied", r.failures.reasons)
	each("missing", wishes(r.Missing))
	each("ownMissing", r.Own)
	each("mend", r.Mend)
	each("dialled", r.Dialled)
	r.encode(map[string]summary{"summary": {
		r.Store, r.ran, r.failed, r.broken, len(r.Missing), len(r.failures.refused), r.failures.denied, len(r.Dialled),
	}})
}

// wishes are the lines for mirror of what is missing.
func wishes(missing []proxyshim.Miss) []string {
	lines := make([]string, len(missing))
	for i, m := range missing {
		lines[i] = wishlist.Wish(m)
	}
	return lines
}

// explain is the verdict for people: what is wrong, and what to do next.
func (r *Report) explain() {
	f := &r.failures
	r.print("")
	if n := len(f.refused); n > 0 {
		r.list(count(n, "module version was", "module versions were")+" refused, for a signature or a hash is not right:", f.refused)
		r.print("Find out why before anybody uses it: modferry verify MODULE@VERSION examines one.")
	}
	if f.denied > 0 {
		r.list("The registry, or a route of --registry, refused "+count(f.denied, "request", "requests")+". That is its decision, whatever it has:", f.reasons)
	}
	if n := len(r.Missing); n > 0 {
		r.list(count(n, "module version is", "module versions are")+" missing:", wishes(r.Missing))
		r.adviseMirror()
	}
	if len(r.Mend) > 0 {
		r.list("A workspace requires versions of its own modules, too, and go commands want the go.mod of each. If these were never published:", r.Mend)
	}
	if n := len(r.Own); n > 0 {
		r.list(count(n, "package is", "packages are")+" missing in the project itself:", r.Own)
	}
	if len(r.Dialled) > 0 {
		r.list("A command wanted to reach others than the store. It was not let through; inside, nobody would answer:", r.Dialled)
	}
	if r.untidy > 0 {
		r.print("The store has all that go mod tidy needs, but go.mod or go.sum is not as it leaves them: run go mod tidy, and mirror the project again.")
	}
	refused := len(f.refused) > 0 || f.denied > 0 || len(r.Dialled) > 0
	switch {
	case r.failed == 0 && r.broken == 0 && !refused:
		r.print("The project works from the store alone: %s, all well.", count(r.ran, "command", "commands"))
	case f.unavailable > 0:
		r.print("The store could not answer %s, see above: this is no verdict on what it has.", count(f.unavailable, "request", "requests"))
	case r.failed > r.untidy && len(r.Missing) == 0 && !refused:
		r.print("The store had everything that was asked for: what failed lies in the project or in the go command's settings, and fails elsewhere, too.")
	}
	if len(r.Dialled) == 0 {
		r.print("Nobody but the store was asked: %s", r.Store)
	}
}

// maxNamed is how many module versions the advice names.
const maxNamed = 5

// adviseMirror says how to get what is missing.
func (r *Report) adviseMirror() {
	r.print("On the connected side, mirror them, then check again: a go command may stop at the first thing it lacks.")
	if r.Wishlist != "" {
		r.print("    modferry mirror --key cosign.key %s", shell.Quote(r.Wishlist))
		return
	}
	var named []string // which mirroring the project does not bring: its files do not name them
	options := ""
	if r.DownloadAll {
		options = "--download-all "
	}
	if slices.ContainsFunc(r.Missing, func(m proxyshim.Miss) bool { return m.Module.Path == goproxy.ToolchainPath }) {
		options += "--toolchains "
	}
	for _, m := range r.Missing {
		if m.Module.Version == "" {
			named = append(named, shell.Quote(wishlist.Wish(m)))
		}
	}
	if len(named) < len(r.Missing) {
		r.print("    modferry mirror --key cosign.key %s%s", options, shell.Quote(r.Dir))
	}
	if len(named) > maxNamed {
		named = append(named[:maxNamed], "…")
	}
	if len(named) > 0 {
		r.print("    modferry mirror --key cosign.key %s", strings.Join(named, " "))
	}
	r.print("    (or give --wishlist FILE here, and mirror FILE)")
}

// maxListed bounds how much of a list is shown. A wish list and JSON have all of it.
const maxListed = 50

func (r *Report) list(heading string, lines []string) {
	r.print("%s", heading)
	for _, line := range lines[:min(len(lines), maxListed)] {
		r.print("    %s", line)
	}
	if more := len(lines) - maxListed; more > 0 {
		r.print("    … and %d more", more)
	}
}

// count reads "1 command", "2 commands".
func count(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}
