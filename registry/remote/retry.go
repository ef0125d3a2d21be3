package remote

import (
	"context"
	"errors"
	"time"

	"github.com/modferry/modferry/registry"
	"github.com/modferry/modferry/registry/httpclient"
)

// retry runs an operation again while it fails in a way that may pass.
func (c *Client) retry(ctx context.Context, do func() error) error {
	return httpclient.Retry{
		Min: c.o.MinBackoff, Max: c.o.MaxBackoff,
		Again: func(err error, failed int) (time.Duration, bool) {
			var e *registry.Error
			if !errors.As(err, &e) || failed > c.attempts(e) {
				return 0, false
			}
			return e.RetryAfter, true
		},
		Notify: func(err error, wait time.Duration) {
			c.o.Log.InfoContext(ctx, "asking the registry again", "in", wait, "after", err)
		},
	}.Do(ctx, do)
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
