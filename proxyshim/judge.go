package proxyshim

import (
	"context"
	"errors"
	"fmt"
	"net"
	"syscall"
	"time"

	"golang.org/x/mod/module"

	"github.com/modferry/modferry/artifact"
	"github.com/modferry/modferry/artifact/sign"
	"github.com/modferry/modferry/artifact/sumdb"
	"github.com/modferry/modferry/registry"
)

// judgement is what a store's answer means for what is cached.
type judgement int

const (
	settled     judgement = iota // the store answered, all is well
	unreachable                  // no answer: what is cached may still be served
	withheld                     // gone, or not given to us: what is cached stays, but is not served until the store confirms it
	withdrawn                    // forbidden by policy, or not what was signed: what is cached is removed
	failed                       // anything else: an error now, no word about what is cached
)

// judge says what err, from a request to store, means.
func (h *Handler) judge(store *registry.Store, err error) judgement {
	switch {
	case err == nil:
		h.outages.end(store.String())
		return settled
	case h.ctx.Err() != nil:
		return failed
	case isUnreachable(err):
		h.outages.begin(store.String(), err)
		return unreachable
	case isWithdrawn(err):
		h.outages.end(store.String())
		return withdrawn
	case isSecurity(err), isRefused(err), errors.Is(err, registry.ErrNotFound):
		h.outages.end(store.String())
		return withheld
	default:
		return failed
	}
}

// isSecurity: what the store has is not what it claims to be, or nobody we trust
// vouches for it.
func isSecurity(err error) bool {
	for _, target := range [...]error{
		sign.ErrUnsigned, sign.ErrUntrusted,
		artifact.ErrCorrupt, artifact.ErrIdentity, artifact.ErrLimit, artifact.ErrNotModule,
		sumdb.ErrSignature, sumdb.ErrShrunk, sumdb.ErrForked, sumdb.ErrNotSnapshot, errUnproven, errBadHead,
	} {
		if errors.Is(err, target) {
			return true
		}
	}
	return false
}

// isWithdrawn: what was cached must not be used any more. An account that expired, a firewall's
// page instead of an answer, or a version that is gone say no such thing.
func isWithdrawn(err error) bool {
	var aside *evidenceError
	if errors.As(err, &aside) {
		return false
	}
	for _, target := range [...]error{
		registry.ErrPolicy, sign.ErrUnsigned, sign.ErrUntrusted, artifact.ErrCorrupt, artifact.ErrIdentity,
	} {
		if errors.Is(err, target) {
			return true
		}
	}
	return false
}

// An evidenceError is about what a version is to be confirmed with: the checksum snapshot, or evidence
// that is stored apart. The version itself may be all right.
type evidenceError struct{ error }

// Unwrap returns what is wrong.
func (e *evidenceError) Unwrap() error { return e.error }

// isRefused: the registry has it and does not give it away.
func isRefused(err error) bool {
	return errors.Is(err, registry.ErrPolicy) || errors.Is(err, registry.ErrDenied) ||
		errors.Is(err, registry.ErrUnauthorized)
}

// isUnreachable: the registry does not answer, or the layout's directory is not
// there, as when its medium is not mounted.
func isUnreachable(err error) bool {
	return errors.Is(err, registry.ErrUnavailable) || errors.Is(err, registry.ErrNoLayout) || isTimeout(err)
}

func isTimeout(err error) bool {
	var timeout net.Error
	return errors.Is(err, context.DeadlineExceeded) || errors.As(err, &timeout) && timeout.Timeout()
}

// isDiskFull: the cache directory takes no more.
func isDiskFull(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) || errors.Is(err, syscall.EFBIG)
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
	if a, ok := h.absences.get(m); ok && h.now().Before(a.until) {
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
	if h.absent > 0 {
		h.absences.update(m, func(v *absentUntil) { *v = absentUntil{a, h.now().Add(h.absent)} })
	}
	return a
}

// remedy is the command that would have prevented an absence.
func (h *Handler) remedy(m module.Version) string {
	if h.sums.isPrivate(m.Path) {
		return fmt.Sprintf("modferry publish, or modferry mirror --private %s %s", m.Path, m)
	}
	return "modferry mirror " + m.String()
}
