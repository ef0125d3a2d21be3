package metrics

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/modferry/modferry/proxyshim"
)

// patience is how long a scrape waits for stores to say whether there is a newer snapshot.
const patience = time.Second

// stateCollector tells the state of a shim. Which metrics that are, it finds out at each scrape.
type stateCollector func(context.Context) proxyshim.State

// Describe implements prometheus.Collector.
func (stateCollector) Describe(chan<- *prometheus.Desc) {}

// Collect implements prometheus.Collector.
func (state stateCollector) Collect(ch chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	s := state(ctx)
	gauge := func(name, help string, v float64, labels prometheus.Labels) {
		desc := prometheus.NewDesc(prometheus.BuildFQName(namespace, "", name), help, nil, labels)
		ch <- prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, v)
	}
	gauge("cache_bytes", "About how much is in the cache directory.", float64(s.CacheBytes), nil)
	gauge("fetches_in_flight", "What is being asked of stores, each thing once for all who wait for it.", float64(s.Fetching), nil)
	gauge("wishes", "What was asked for since the start and is missing in the store.", float64(s.Wishes), nil)
	for store, up := range s.Stores {
		gauge("store_up", "Whether a store answered when it was last asked.", number(up), prometheus.Labels{"store": store})
	}
	for file, good := range s.InForce {
		gauge("file_in_force", "Whether a file that is read again when it changes is in force as it is now.", number(good), prometheus.Labels{"file": file})
	}
	log := prometheus.Labels{"log": s.Snapshot.Log}
	gauge("snapshot_records", "Records of the tree head of the checksum snapshot; 0 is no snapshot.", float64(s.Snapshot.Records), log)
	moment := func(name, help string, t time.Time) {
		if !t.IsZero() {
			gauge(name, help, float64(t.Unix()), log)
		}
	}
	moment("snapshot_captured_timestamp_seconds", "The day that the checksum snapshot is of.", s.Snapshot.Captured)
	moment("snapshot_checked_timestamp_seconds", "When the stores were last asked for a newer snapshot.", s.Snapshot.Checked)
}

func number(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
