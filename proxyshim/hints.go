package proxyshim

import (
	"cmp"
	"context"
	"fmt"
	"strings"
	"time"

	"golang.org/x/mod/module"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/modferry/modferry/artifact/sign"
	"github.com/modferry/modferry/artifact/sumdb"
	"github.com/modferry/modferry/proxyshim/access"
)

// What the go command shows its user when the checksum database cannot be answered
// for. All of it is a 404, which ends the go command's attempt.

// snapshotDay returns the day of a snapshot, "" if it is not known.
func snapshotDay(s *sumdb.Snapshot) string {
	if s.Captured().IsZero() {
		return ""
	}
	return s.Captured().Format(time.DateOnly)
}

// snapshotName returns how to speak of a snapshot.
func snapshotName(s *sumdb.Snapshot) string {
	if day := snapshotDay(s); day != "" {
		return "the checksum snapshot of " + day
	}
	return fmt.Sprintf("the checksum snapshot of %d records", s.Head().N)
}

func hint(format string, args ...any) error {
	return &absence{text: plain("not found: " + fmt.Sprintf(format, args...))}
}

func (h *Handler) otherLog() error {
	return hint("%s", h.servedLog())
}

// servedLog says what to do about another log.
func (h *Handler) servedLog() string {
	return fmt.Sprintf("the checksum database served here is %s\nSet GOSUMDB to that, or start the shim with the one of GOSUMDB.", h.sums.log.Name())
}

func (h *Handler) noSnapshot() error {
	return hint("no checksum snapshot of %s is in the store; run modferry mirror with any public module on the connected side", h.sums.log.Name())
}

func (h *Handler) privateModule(ctx context.Context, m module.Version) error {
	patterns := h.decision.Private
	if rule := h.policy().Rule(m.Path); rule.Records == sign.RecordsNone {
		patterns = strings.TrimSuffix(rule.Name, "/**")
	}
	patterns = cmp.Or(access.From(ctx).Patterns(patterns), m.Path)
	return hint("%s is private here, so no checksum database is asked about it; set GONOSUMDB=%s for the go command", m, patterns)
}

func (h *Handler) noEvidence(m module.Version, s *sumdb.Snapshot) error {
	return hint("%s is not in %s; run modferry mirror %[1]s on the connected side\n"+
		"If it is a private module, set GONOSUMDB for the go command, and --private for the shim.", m, snapshotName(s))
}

func (h *Handler) clientIsNewer(s *sumdb.Snapshot) error {
	return hint("this go command has seen a tree head of %s that is newer than %s (%d records)\n"+
		"It is in GOPATH/pkg/sumdb. Run modferry mirror with any public module on the connected side for a newer snapshot.",
		h.sums.log.Name(), snapshotName(s), s.Head().N)
}

func (h *Handler) noTile(t tlog.Tile, s *sumdb.Snapshot) error {
	return hint("%s of %s is neither in %s nor with a module version known here\n"+
		"It is needed for modules that were not mirrored, or by a go command that has seen a tree head that was never mirrored.",
		t.Path(), h.sums.log.Name(), snapshotName(s))
}
