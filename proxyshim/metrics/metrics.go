// Package metrics counts what a shim does, for Prometheus. No label has a value that a client can choose, so that their
// number is bounded.
package metrics

import (
	"context"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/modferry/modferry/proxyshim"
	"github.com/modferry/modferry/proxyshim/events"
)

// Path is where metrics are served.
const Path = "/-/metrics"

// Metrics counts. It is safe for concurrent use.
type Metrics struct {
	registry *prometheus.Registry

	requests        *prometheus.CounterVec   // kind, outcome
	duration        *prometheus.HistogramVec // kind
	bytes           *prometheus.CounterVec   // kind
	cache           *prometheus.CounterVec   // kind, result
	failures        *prometheus.CounterVec   // reason
	registryCalls   *prometheus.CounterVec   // method, code
	registryLatency *prometheus.HistogramVec // method
}

// buckets are for what takes a millisecond from the cache and a minute from a registry far away, in seconds.
var buckets = [...]float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60}

// New returns the metrics of a shim of that version.
func New(version string) *Metrics {
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: namespace, Name: name, Help: help}, labels)
	}
	histogram := func(name, help string, labels ...string) *prometheus.HistogramVec {
		return prometheus.NewHistogramVec(prometheus.HistogramOpts{Namespace: namespace, Name: name, Help: help, Buckets: buckets[:]}, labels)
	}
	m := &Metrics{
		registry:        prometheus.NewPedanticRegistry(),
		requests:        counter("requests_total", "Requests that were answered, by what was asked for and what became of it.", "kind", "outcome"),
		duration:        histogram("request_duration_seconds", "How long it took until all of an answer was written.", "kind"),
		bytes:           counter("response_bytes_total", "Bytes of the answers' bodies.", "kind"),
		cache:           counter("cache_requests_total", "Requests that were served, by whether what they ask for was in the cache before.", "kind", "result"),
		failures:        counter("verification_failures_total", "Requests that were refused because verification failed, by why.", "reason"),
		registryCalls:   counter("registry_requests_total", "Requests to registries, by the status of the answer; 0 is none.", "method", "code"),
		registryLatency: histogram("registry_request_duration_seconds", "How long registries took for the header of an answer.", "method"),
	}
	build := prometheus.NewGauge(prometheus.GaugeOpts{
		Namespace: namespace, Name: "build_info", Help: "It is 1.", ConstLabels: prometheus.Labels{"version": version},
	})
	build.Set(1)
	m.registry.MustRegister(
		m.requests, m.duration, m.bytes, m.cache, m.failures, m.registryCalls, m.registryLatency, build,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	)
	for _, reason := range events.Reasons() { // so that the first one is an increase
		m.failures.WithLabelValues(reason)
	}
	return m
}

const namespace = "modferry"

// Watch adds the state of the shim, which is asked for at every scrape.
func (m *Metrics) Watch(state func(context.Context) proxyshim.State) {
	m.registry.MustRegister(stateCollector(state))
}

// Handler serves the metrics at [Path], and passes all other requests on.
func (m *Metrics) Handler(next http.Handler) http.Handler {
	metrics := promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{Registry: m.registry})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == Path {
			metrics.ServeHTTP(w, r)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// Observe counts a request that was answered.
func (m *Metrics) Observe(e *events.Event) {
	kind := kindOf(e)
	m.requests.WithLabelValues(kind, string(e.Outcome)).Inc()
	m.duration.WithLabelValues(kind).Observe(e.Duration.Seconds())
	m.bytes.WithLabelValues(kind).Add(float64(e.Bytes))
	if e.Outcome == events.Served && slices.Contains(cached[:], e.Kind) {
		result := "miss"
		if e.Cached {
			result = "hit"
		}
		m.cache.WithLabelValues(kind, result).Inc()
	}
	if e.Outcome == events.Refused {
		m.failures.WithLabelValues(e.Reason).Inc()
	}
}

// RegistryRequest counts a request to a registry; the status is 0 where there was no answer.
func (m *Metrics) RegistryRequest(method string, status int, took time.Duration) {
	code := "other"
	if status == 0 || status >= 100 && status < 600 {
		code = strconv.Itoa(status)
	}
	m.registryCalls.WithLabelValues(method, code).Inc()
	m.registryLatency.WithLabelValues(method).Observe(took.Seconds())
}

// cached are the kinds of what can be in the cache.
var cached = [...]string{"list", "latest", "info", "mod", "zip"}

// kindOf returns the word for what was asked for.
func kindOf(e *events.Event) string {
	path := e.Path
	switch {
	case path == Path, path == "/-/healthz", path == "/-/readyz":
		return "probe"
	case path == "/", strings.HasPrefix(path, "/-/"):
		return "page"
	case e.Kind == "":
		return "other"
	}
	return e.Kind
}
