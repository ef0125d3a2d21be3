package copying

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"time"

	"github.com/modferry/modferry/registry/redact"
)

// compareEvery is how often a watching sync looks at signatures of what is the same otherwise.
const compareEvery = 24 * time.Hour

// A Watch runs rounds until it is told to end.
type Watch struct {
	Every time.Duration
	Out   io.Writer
	JSON  bool
	Now   func() time.Time

	// Round copies what is missing. It compares everything the first time, and once a day.
	Round func(ctx context.Context, compare bool) (Counts, error)
}

// Run runs a round at once, and one each time Every has passed since the one before began; with one line for each.
// One that fails does not end it.
func (w *Watch) Run(ctx context.Context) error {
	ticker := time.NewTicker(w.Every)
	defer ticker.Stop()
	var compared time.Time
	for {
		began := w.Now()
		compare := began.Sub(compared) >= compareEvery
		counts, err := w.Round(ctx, compare)
		if ctx.Err() != nil {
			return nil // that is how it ends
		}
		if compare && err == nil {
			compared = began
		}
		if err := w.print(began, counts, err); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
	}
}

// print prints a round's line.
func (w *Watch) print(began time.Time, counts Counts, err error) error {
	at, problem := began.UTC().Format(time.RFC3339), ""
	if err != nil {
		problem = redact.Text(err.Error())
	}
	if w.JSON {
		return json.NewEncoder(w.Out).Encode(struct {
			Time  string `json:"time"`
			Round Counts `json:"round"`
			Error string `json:"error,omitempty"`
		}{at, counts, problem})
	}
	if problem != "" {
		problem = "; " + problem
	}
	_, err = fmt.Fprintf(w.Out, "%s %v%s\n", at, counts, problem)
	return err
}
