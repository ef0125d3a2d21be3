package metrics

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/modferry/modferry/proxyshim"
)

// patience is how long a scrape waits for stores to say whether there is a newer snapshot.
const patience = time.Second

// stateCollector tells the state of a shim.
type stateCollector struct {
	state func(context.Context) proxyshim.State

	cacheBytes, fetching, wishes, storeUp, inForce, records, captured, checked *prometheus.Desc
}

func newStateCollector(state func(context.Context) proxyshim.State) *stateCollector {
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc(prometheus.BuildFQName(namespace, "", name), help, labels, nil)
	}
	return &stateCollector{
		state:      state,
		cacheBytes: desc("cache_bytes", "About how much is in the cache directory."),
		fetching:   desc("fetches_in_flight", "What is being asked of stores, each thing once for all who wait for it."),
		wishes:     desc("wishes", "What was asked for since the start and is missing in the store."),
		storeUp:    desc("store_up", "Whether a store answered when it was last asked.", "store"),
		inForce:    desc("file_in_force", "Whether a file that is read again when it changes is in force as it is now.", "file"),
		records:    desc("snapshot_records", "Records of the tree head of the checksum snapshot; 0 is no snapshot.", "log"),
		captured:   desc("snapshot_captured_timestamp_seconds", "The day that the checksum snapshot is of.", "log"),
		checked:    desc("snapshot_checked_timestamp_seconds", "When the stores were last asked for a newer snapshot.", "log"),
	}
}

// Describe implements prometheus.Collector.
func (c *stateCollector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{c.cacheBytes, c.fetching, c.wishes, c.storeUp, c.inForce, c.records, c.captured, c.checked} {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (c *stateCollector) Collect(ch chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	s := c.state(ctx)
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	gauge(c.cacheBytes, float64(s.CacheBytes))
	gauge(c.fetching, float64(s.Fetching))
	gauge(c.wishes, float64(s.Wishes))
	for store, up := range s.Stores {
		gauge(c.storeUp, number(up), store)
	}
	for file, good := range s.InForce {
		gauge(c.inForce, number(good), file)
	}
	gauge(c.records, float64(s.Snapshot.Records), s.Snapshot.Log)
	moment := func(d *prometheus.Desc, t time.Time) {
		if !t.IsZero() {
			gauge(d, float64(t.Unix()), s.Snapshot.Log)
		}
	}
	moment(c.captured, s.Snapshot.Captured)
	moment(c.checked, s.Snapshot.Checked)
}

func number(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
