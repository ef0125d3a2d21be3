package proxyshim

import (
	"github.com/modferry/modferry/proxyshim/events"
	"golang.org/x/mod/module"
)

// Failure is something that the shim did not answer as asked. That the store lacks what was asked for is none: see
// [Handler.Wishes].
type Failure struct {
	Kind   events.Outcome // events.Refused, events.HeldBack, events.Denied or events.Unavailable
	Module module.Version // what it is about: without Version for a query, without Path for the checksum database
	Err    error
}

// report tells Options.Failed of a failure; where nobody is to be told, it is logged, with args.
func (h *Handler) report(f Failure, message string, args ...any) {
	args = append(args, "error", f.Err)
	switch {
	case h.failed != nil:
		h.failed(f)
	case f.Kind == events.Refused:
		h.log.Error("refused: "+message, append([]any{"audit", "security"}, args...)...)
	default:
		h.log.Warn(message, args...)
	}
}
