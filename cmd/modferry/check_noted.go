package main

import (
	"context"
	"log/slog"
	"slices"
	"strings"
	"sync"
)

// noted is what a shim logged about requests that it did not answer as asked.
type noted struct {
	mu         sync.Mutex
	refused    []string // what failed verification: "module@version: why", each once
	unanswered int      // requests the store failed or denied
}

// all returns what was noted so far: refused is sorted.
func (n *noted) all() (refused []string, unanswered int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return slices.Sorted(slices.Values(n.refused)), n.unanswered
}

// noting is a log handler that notes for the verdict what a shim refuses or cannot answer, and passes everything
// else on.
type noting struct {
	slog.Handler
	noted *noted
}

// Handle looks for the attributes that the shim gives to its audit records and its failed requests.
func (h *noting) Handle(ctx context.Context, r slog.Record) error {
	var security, failed bool
	values := make(map[string]string)
	r.Attrs(func(a slog.Attr) bool {
		values[a.Key] = a.Value.String()
		return true
	})
	security = values["audit"] == "security"
	_, failed = values["status"]
	h.noted.mu.Lock()
	defer h.noted.mu.Unlock()
	switch {
	case security:
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
