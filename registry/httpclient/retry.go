package httpclient

import (
	"context"
	"net/http"
	"strconv"
	"time"

	"github.com/cenkalti/backoff/v5"
)

// Retry says how an operation is repeated while it fails in a way that may pass.
type Retry struct {
	Min, Max time.Duration // before the first retry, on average; at most, Retry-After included

	// Again reports whether an operation that has failed so many times, this time with err, is
	// to be repeated, and how long to wait at least.
	Again func(err error, failed int) (least time.Duration, ok bool)

	// Notify is told about each failure that is followed by another attempt.
	Notify func(err error, wait time.Duration)
}

// Do runs an operation until it succeeds, or fails for good, or ctx ends; the error is the operation's last. The
// whole operation is repeated, so that bodies are opened afresh and an answer that broke off is asked for again.
// Each wait is about twice as long as the one before.
func (r Retry) Do(ctx context.Context, do func() error) error {
	waits := backoff.ExponentialBackOff{InitialInterval: r.Min, RandomizationFactor: 0.5, Multiplier: 2, MaxInterval: r.Max}
	for failed := 1; ; failed++ {
		err := do()
		if err == nil || ctx.Err() != nil {
			return err
		}
		least, again := r.Again(err, failed)
		if !again {
			return err
		}
		wait := min(max(waits.NextBackOff(), least), r.Max)
		r.Notify(err, wait)
		select {
		case <-ctx.Done():
			return err
		case <-time.After(wait):
		}
	}
}

// RetryAfter reads a Retry-After header: seconds or a date (RFC 9110, 10.2.3). 0 = it says nothing.
func RetryAfter(header string, now time.Time) time.Duration {
	if seconds, err := strconv.ParseUint(header, 10, 31); err == nil {
		return time.Duration(seconds) * time.Second
	}
	if t, err := http.ParseTime(header); err == nil {
		return max(0, t.Sub(now))
	}
	return 0
}
