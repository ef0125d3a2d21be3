package page

import (
	"strings"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
	"golang.org/x/mod/module"

	"github.com/modferry/modferry/proxyshim"
	"github.com/modferry/modferry/proxyshim/events"
)

// verdict is why a policy of the registry held a version back when it was last asked for, as for what a scanner found.
type verdict struct {
	Text string    `json:"text"` // with the registry's own words
	Time time.Time `json:"time"`
}

// verdicts are those that requests came upon. The registry is asked by whoever wants a version, and by no list: a list that
// asked for fifty would have fifty scans and signatures looked at.
type verdicts struct {
	held *lru.Cache[module.Version, verdict]
}

// maxVerdicts bounds how many are remembered.
const maxVerdicts = 10_000

func newVerdicts() (verdicts, error) {
	held, err := lru.New[module.Version, verdict](maxVerdicts)
	return verdicts{held}, err
}

// of returns the verdict on a version, nil if there is none.
func (v verdicts) of(m module.Version) *verdict {
	if held, ok := v.held.Peek(m); ok {
		return &held
	}
	return nil
}

// Observe has lists tell which versions the registry holds back, until it lets them through. It is for [events.Observe].
func (h *Handler) Observe(e *events.Event) {
	switch {
	case e.Module.Version == "":
	case e.Outcome == events.HeldBack:
		_, text := proxyshim.Explain(e.Module, e.Err)
		h.verdicts.held.Add(e.Module, verdict{strings.Join(strings.Fields(text), " "), e.Time})
	case e.Outcome == events.Served:
		h.verdicts.held.Remove(e.Module)
	}
}
