package main

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/modferry/modferry/cmd/modferry/internal/shell"
	"github.com/modferry/modferry/cmd/modferry/internal/wishlist"
	"github.com/modferry/modferry/proxyshim"
	"github.com/modferry/modferry/registry/mirror/closure"
)

// checkSummary is the last word of check as JSON.
type checkSummary struct {
	Store    string `json:"store"`
	Commands int    `json:"commands"`
	Failed   int    `json:"failed"`
	Problems int    `json:"problems"` // of the project's files
	Missing  int    `json:"missing"`
	Refused  int    `json:"refused"`
	Denied   int    `json:"denied"` // requests that the registry refused
	Dialled  int    `json:"dialled"`
}

// verdict says what the results mean and what to do about them.
func (p *proof) verdict() error {
	noted := p.noted.what()
	if p.json {
		p.encodeVerdict(noted)
	} else {
		p.explain(noted)
	}
	switch {
	case len(noted.refused) > 0:
		return &exitError{code: exitRefused, err: fmt.Errorf("the shim refused %s", count(len(noted.refused), "module version", "module versions"))}
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

func (p *proof) encodeVerdict(noted *noted) {
	each := func(name string, values []string) {
		for _, v := range values {
			p.encode(map[string]string{name: v})
		}
	}
	each("refused", noted.refused)
	each("denied", noted.reasons)
	each("missing", p.wishes())
	each("ownMissing", p.own)
	each("dialled", p.dialled)
	p.encode(map[string]checkSummary{"summary": {p.store, p.ran, p.failed, p.broken, len(p.missing), len(noted.refused), noted.denied, len(p.dialled)}})
}

// wishes are the lines for mirror of what is missing.
func (p *proof) wishes() []string {
	wishes := make([]string, len(p.missing))
	for i, m := range p.missing {
		wishes[i] = wishlist.Wish(m)
	}
	return wishes
}

// explain is the verdict for people: what is wrong, and what to do next.
func (p *proof) explain(noted *noted) {
	p.say("")
	if len(noted.refused) > 0 {
		p.say("%s refused, for a signature or a hash is not right:", count(len(noted.refused), "module version was", "module versions were"))
		p.list(noted.refused)
		p.say("Find out why before anybody uses it: modferry verify MODULE@VERSION examines one.")
	}
	if noted.denied > 0 {
		p.say("The registry, or a route of --%s, refused %s. That is its decision, whatever it has:", flagRegistry, count(noted.denied, "request", "requests"))
		p.list(noted.reasons)
	}
	if len(p.missing) > 0 {
		p.say("%s missing:", count(len(p.missing), "module version is", "module versions are"))
		p.list(p.wishes())
		p.adviseMirror()
	}
	if len(p.own) > 0 {
		p.say("%s missing in the project itself:", count(len(p.own), "package is", "packages are"))
		p.list(p.own)
	}
	if len(p.dialled) > 0 {
		p.say("A command wanted to reach others than the store. It was not let through; inside, nobody would answer:")
		p.list(p.dialled)
	}
	if p.untidy > 0 {
		p.say("The store has all that go mod tidy needs, but go.mod or go.sum is not as it leaves them: run go mod tidy, and mirror the project again.")
	}
	p.blame(noted)
	if len(p.dialled) == 0 {
		p.say("Nobody but the store was asked: %s", p.store)
	}
}

func (p *proof) say(format string, args ...any) { fmt.Fprintf(p.out, format+"\n", args...) }

// adviseMirror says how to get what is missing.
func (p *proof) adviseMirror() {
	p.say("On the connected side, mirror them, then check again: a go command may stop at the first thing it lacks.")
	if p.wishlist != "" {
		p.say("    modferry mirror --key cosign.key %s", shell.Quote(p.wishlist))
		return
	}
	var named []string // which mirroring the project does not bring: its files do not name them
	for _, m := range p.missing {
		if m.Module.Version == "" {
			named = append(named, shell.Quote(wishlist.Wish(m)))
		}
	}
	if len(named) < len(p.missing) {
		p.say("    modferry mirror --key cosign.key %s%s", p.mirrorOptions(), shell.Quote(p.dir))
	}
	if n := len(named); n > 0 {
		const most = 5
		p.say("    modferry mirror --key cosign.key %s", strings.Join(named[:min(n, most)], " ")+strings.Repeat(" …", min(1, n/(most+1))))
	}
	p.say("    (or give --%s FILE here, and mirror FILE)", flagWishlist)
}

// mirrorOptions are what mirror needs to bring of the project what is missing.
func (p *proof) mirrorOptions() string {
	options := ""
	if p.downloadAll {
		options += "--" + flagDownloadAll + " "
	}
	if slices.ContainsFunc(p.missing, func(m proxyshim.Miss) bool { return m.Module.Path == closure.ToolchainPath }) {
		options += "--" + flagToolchains + " "
	}
	return options
}

// blame says whether the project works, and if it does not, whether that is for want of a module.
func (p *proof) blame(noted *noted) {
	others := p.failed - p.untidy
	refused := len(noted.refused) > 0 || noted.denied > 0 || len(p.dialled) > 0
	switch {
	case p.failed == 0 && p.broken == 0 && !refused:
		p.say("The project works from the store alone: %s, all well.", count(p.ran, "command", "commands"))
	case noted.unanswered > 0:
		p.say("The store could not answer %s, see above: this is no verdict on what it has.", count(noted.unanswered, "request", "requests"))
	case others > 0 && len(p.missing) == 0 && !refused:
		p.say("The store had everything that was asked for: what failed lies in the project or in the go command's settings, and fails elsewhere, too.")
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
