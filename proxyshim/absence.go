package proxyshim

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"golang.org/x/mod/module"

	"github.com/modferry/modferry/registry"
	"github.com/modferry/modferry/registry/verify"
)

// classify says what err, from a request to store, means, and notes whether the store answers.
func (h *Handler) classify(store *registry.Store, err error) verify.Class {
	class := verify.Classify(err)
	switch {
	case err != nil && h.ctx.Err() != nil:
		return verify.Failed
	case class == verify.Unavailable:
		h.outages.begin(store.String(), err)
	case class != verify.Failed:
		h.outages.end(store.String())
	}
	return class
}

// absence says that the store does not have something. It is a registry.ErrNotFound.
type absence struct{ text string }

// Error is what the client is told.
func (a *absence) Error() string { return a.text }

// Is makes it registry.ErrNotFound.
func (a *absence) Is(target error) bool { return target == registry.ErrNotFound }

// absentUntil is an absence and how long it is believed without asking again.
type absentUntil struct {
	*absence
	until time.Time
}

// knownAbsent returns the absence of m if it was found out a moment ago. Without a
// version m stands for the whole module.
func (h *Handler) knownAbsent(m module.Version) error {
	if a, ok := h.absences.Peek(m); ok && h.now().Before(a.until) {
		return a.absence
	}
	return nil
}

// explain puts into words that store failed to give m, and remembers absence.
func (h *Handler) explain(m module.Version, store *registry.Store, err error) error {
	if !errors.Is(err, registry.ErrNotFound) {
		return err
	}
	what, wanted := m.String(), m
	if m.Version == "" {
		what, wanted.Version = "module "+m.Path, "latest"
	}
	a := &absence{text: plain(fmt.Sprintf("not found: %s is not in %s; to add it: %s", what, store, h.remedy(wanted)))}
	h.remember(m, a)
	return a
}

// remember keeps an absence, for as long as it is believed.
func (h *Handler) remember(m module.Version, a *absence) {
	if h.absent > 0 {
		h.absences.Add(m, absentUntil{a, h.now().Add(h.absent)})
	}
}

// remedy is the command that would have prevented an absence.
func (h *Handler) remedy(m module.Version) string {
	for pattern := range strings.SplitSeq(h.checker(h.policy()).Private, ",") {
		if module.MatchPrefixPatterns(pattern, m.Path) {
			return fmt.Sprintf("modferry publish, or modferry mirror --private '%s' %s", pattern, m)
		}
	}
	if h.isPrivate(m.Path) { // as a rule of the trust policy has it
		return fmt.Sprintf("modferry publish, or modferry mirror --private %s %s", m.Path, m)
	}
	return "modferry mirror " + m.String()
}
