package remote

import (
	"context"
	"errors"
	"time"

	"github.com/cenkalti/backoff/v5"

	"github.com/modferry/modferry/registry"
)

// retry runs an operation again while it fails in a way that may pass. The
// whole operation is repeated, so that bodies are opened afresh and an answer
// that broke off is asked for again.
func (c *Client) retry(ctx context.Context, do func() error) error {
	wait := backoff.ExponentialBackOff{
		InitialInterval:     c.o.MinBackoff,
		RandomizationFactor: 0.5,
		Multiplier:          2,
		MaxInterval:         c.o.MaxBackoff,
	}
	for failed := 1; ; failed++ {
		err := do()
		if err == nil || ctx.Err() != nil {
			return err
		}
		var e *registry.Error
		if !errors.As(err, &e) || failed > c.attempts(e) {
			return err
		}
		delay := min(max(wait.NextBackOff(), e.RetryAfter), c.o.MaxBackoff)
		c.o.Log.InfoContext(ctx, "asking the registry again", "in", delay, "after", err)
		timer := time.NewTimer(delay)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return err
		}
	}
}

// attempts returns how often to try again after e.
func (c *Client) attempts(e *registry.Error) int {
	switch {
	case e.ScanPending:
		return 2 * c.o.Retries // a scan takes seconds
	case errors.Is(e, registry.ErrUnavailable) && !e.Permanent:
		return c.o.Retries
	case errors.Is(e, registry.ErrCorrupt):
		return min(c.o.Retries, 1) // not the registry's fault, perhaps
	}
	return 0
}
