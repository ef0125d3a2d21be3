package main

import (
	"context"
	"log/slog"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// noted is what a shim logged about requests that it did not answer as asked.
type noted struct {
	mu         sync.Mutex
	refused    []string // what failed verification: "module@version: why", each once
	denied     int      // requests that the registry, or a route to none, refused
	reasons    []string // what for, each once; not of all
	unanswered int      // requests that the store failed
}

// maxReasons is how many reasons for denied requests are kept.
const maxReasons = 5

// what returns a copy of what was noted so far, sorted.
func (n *noted) what() *noted {
	n.mu.Lock()
	defer n.mu.Unlock()
	return &noted{
		refused: slices.Sorted(slices.Values(n.refused)), denied: n.denied,
		reasons: slices.Clone(n.reasons), unanswered: n.unanswered,
	}
}

// deny notes a refusal.
func (n *noted) deny(reason string) {
	n.denied++
	if len(n.reasons) < maxReasons && !slices.Contains(n.reasons, reason) {
		n.reasons = append(n.reasons, reason)
	}
}

// noting is a log handler that notes for the verdict what a shim refuses or cannot answer, and passes everything
// else on.
type noting struct {
	slog.Handler
	noted *noted
}

// Handle looks for the attributes that the shim gives to its audit records and its failed requests.
func (h *noting) Handle(ctx context.Context, r slog.Record) error {
	values := make(map[string]string)
	r.Attrs(func(a slog.Attr) bool {
		values[a.Key] = a.Value.String()
		return true
	})
	status, failed := values["status"]
	h.noted.mu.Lock()
	defer h.noted.mu.Unlock()
	switch {
	case values["audit"] == "security":
		name := values["module"]
		if v := values["version"]; v != "" {
			name += "@" + v
		}
		if name == "" {
			name = "the checksum database"
		}
		if text := name + ": " + strings.TrimPrefix(values["error"], name+": "); !slices.Contains(h.noted.refused, text) {
			h.noted.refused = append(h.noted.refused, text)
		}
		return nil
	case status == strconv.Itoa(http.StatusForbidden):
		h.noted.deny(values["error"])
		return nil
	case failed:
		h.noted.unanswered++ // the command that asked shows why
		return nil
	}
	return h.Handler.Handle(ctx, r)
}

// WithAttrs keeps noting.
func (h *noting) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &noting{h.Handler.WithAttrs(attrs), h.noted}
}

// WithGroup keeps noting.
func (h *noting) WithGroup(name string) slog.Handler {
	return &noting{h.Handler.WithGroup(name), h.noted}
}
