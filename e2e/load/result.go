package load

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"text/tabwriter"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// A Result is what came of the requests of sessions. The zero value is one without any. It is safe for concurrent use.
type Result struct {
	connections atomic.Int64

	mu       sync.Mutex
	sessions int
	bytes    int64
	kinds    map[string]*hdrhistogram.Histogram // of latencies in microseconds
	protocol map[int]int                        // answers by major version of HTTP
	errors   []error
}

// answered records a request that was answered as expected.
func (r *Result) answered(kind string, bytes int64, protocol int, took time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.kinds == nil {
		r.kinds, r.protocol = make(map[string]*hdrhistogram.Histogram), make(map[int]int)
	}
	h := r.kinds[kind]
	if h == nil {
		h = hdrhistogram.New(1, (10 * time.Minute).Microseconds(), 2)
		r.kinds[kind] = h
	}
	_ = h.RecordValue(min(max(1, took.Microseconds()), h.HighestTrackableValue())) // never out of its range
	r.bytes += bytes
	r.protocol[protocol]++
}

// failed records a request that was not, and returns the error.
func (r *Result) failed(kind string, err error) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	err = fmt.Errorf("%s: %w", kind, err)
	r.errors = append(r.errors, err)
	return err
}

// ended records the end of a session.
func (r *Result) ended() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.sessions++
}

// Errors returns what went wrong.
func (r *Result) Errors() []error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.errors)
}

// Sessions returns how many sessions ended.
func (r *Result) Sessions() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.sessions
}

// Connections returns how many connections were opened.
func (r *Result) Connections() int64 { return r.connections.Load() }

// Bytes returns the length of all bodies.
func (r *Result) Bytes() int64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.bytes
}

// Count returns how many requests of a kind were answered, all with "".
func (r *Result) Count(kind string) (n int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for name, h := range r.kinds {
		if kind == "" || kind == name {
			n += h.TotalCount()
		}
	}
	return n
}

// Protocol returns how many answers came by a major version of HTTP.
func (r *Result) Protocol(major int) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.protocol[major]
}

// Write writes a table of the latencies in milliseconds.
func (r *Result) Write(w io.Writer) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "kind\trequests\tp50\tp90\tp99\tp99.9\tmax (ms)\t")
	for _, kind := range slices.Sorted(maps.Keys(r.kinds)) {
		h := r.kinds[kind]
		fmt.Fprintf(t, "%s\t%d\t", kind, h.TotalCount())
		for _, q := range []float64{50, 90, 99, 99.9, 100} {
			fmt.Fprintf(t, "%.1f\t", float64(h.ValueAtQuantile(q))/1000)
		}
		fmt.Fprintln(t)
	}
	return t.Flush()
}
