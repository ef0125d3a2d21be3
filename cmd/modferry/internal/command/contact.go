package command

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"github.com/modferry/modferry/artifact/sumdb"
	"github.com/modferry/modferry/registry"
)

// Contact asks each store for something small. The error says that one does not answer, or not to us: whatever else is
// asked of it would fail as well, item by item, after the long work that comes before. Done is what has not been, as
// "mirrored"; fatal are the errors to stop for. One that is denied says little: some registries deny what does not exist.
func Contact(ctx context.Context, stores []*registry.Store, done string, fatal ...error) error {
	log, err := sumdb.ParseLog(sumdb.DefaultLog) // whatever is there: the answer is what counts
	if err != nil {
		return err
	}
	for _, s := range stores {
		if _, err := s.FindSnapshot(ctx, log, sumdb.LatestTag); registry.IsAny(err, fatal...) {
			return fmt.Errorf("nothing was %s: %w", done, ofStore(s, err))
		}
	}
	return nil
}

// ofStore says of an error that it is about the store, whatever was asked of it.
func ofStore(s *registry.Store, err error) error {
	answer, ok := errors.AsType[*registry.Error](err)
	if !ok {
		return err
	}
	short := *answer
	short.Op, short.Registry, short.Repository, short.Reference = "asking", s.String(), "", ""
	return &short
}

// LogContact logs what whoever starts a shim wants to know of its stores: that one does not answer, or that there is
// nothing in it. Neither keeps the shim from starting: it serves what is in its cache, and what is mirrored from now
// on.
func LogContact(ctx context.Context, stores *registry.Router, sums *sumdb.Log, log *slog.Logger) {
	for _, s := range stores.Stores() {
		_, err := s.FindSnapshot(ctx, sums, sumdb.LatestTag)
		switch {
		case ctx.Err() != nil:
			return
		case registry.IsAny(err, registry.ErrUnavailable, registry.ErrUnauthorized, registry.ErrDenied):
			log.Warn("the store does not answer as it should: only what is in the cache is served until it does", "error", ofStore(s, err))
		case errors.Is(err, registry.ErrNoLayout), errors.Is(err, registry.ErrNotFound) && isEmpty(ctx, s):
			log.Warn("the store is empty: is it the right one? modferry mirror fills it, and the shim takes what comes", "store", s.String())
		}
	}
}

// isEmpty reports whether a store is known to have no module.
func isEmpty(ctx context.Context, s *registry.Store) bool {
	for range s.Modules(ctx) {
		return false // or one that does not tell
	}
	return ctx.Err() == nil
}
