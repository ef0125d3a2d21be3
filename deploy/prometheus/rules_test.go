// Package prometheus tries the alerts, and what the dashboard asks, with Prometheus' own engine against what a shim says.
// It is a module of its own, for what the engine needs.
package prometheus

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/rulefmt"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/promql/promqltest"
	"github.com/prometheus/prometheus/util/teststorage"
	"golang.org/x/mod/module"

	"github.com/modferry/modferry/artifact/artifacttest"
	"github.com/modferry/modferry/artifact/sign/signtest"
	"github.com/modferry/modferry/proxyshim"
	"github.com/modferry/modferry/proxyshim/events"
	"github.com/modferry/modferry/proxyshim/metrics"
	"github.com/modferry/modferry/registry/remote"
	"github.com/modferry/modferry/registry/remote/registrytest"
	"github.com/modferry/modferry/registry/stores"
	"github.com/modferry/modferry/registry/storetest"
)

// world is a shim on a registry, and a Prometheus that scrapes it each minute.
type world struct {
	t        *testing.T
	registry *registrytest.Registry
	shim     http.Handler
	storage  *teststorage.TestStorage
	engine   *promql.Engine
	now      time.Time // of Prometheus
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, registry: registrytest.New(t, registrytest.Options{}), now: time.Now().Truncate(time.Minute)}
	w.storage = teststorage.New(t)
	w.engine = promqltest.NewTestEngine(t, false, 5*time.Minute, 1_000_000)
	m := metrics.New("v1.2.3")
	client, err := remote.NewClient(remote.ClientOptions{Retries: -1, Requested: m.RegistryRequest})
	w.check(err)
	router, err := stores.Route(client, w.registry.URL+"/golang")
	w.check(err)
	shim, err := proxyshim.New(proxyshim.Options{Stores: router, Verifier: signtest.Signer(t, 0).Verifier(), CacheDir: t.TempDir(), Recheck: time.Hour})
	w.check(err)
	t.Cleanup(func() { w.check(errors.Join(shim.Close(), router.Close())) })
	for path, key := range map[string]int{"corp.example/lib": 0, "corp.example/forged": 1} {
		v := module.Version{Path: path, Version: "v1.0.0"}
		storetest.Publish(t, router.Stores()[0], artifacttest.FullVersion(t, v, "text"), signtest.Signer(t, key))
	}
	m.Watch(shim.State)
	w.shim = events.Observe(m.Handler(shim), m.Observe)
	return w
}

func (w *world) check(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) get(path string) string {
	r := httptest.NewRecorder()
	w.shim.ServeHTTP(r, httptest.NewRequest("GET", path, nil))
	return r.Body.String()
}

// minutes lets time pass, with a scrape each minute.
func (w *world) minutes(n int) {
	w.t.Helper()
	for range n {
		w.now = w.now.Add(time.Minute)
		p := expfmt.NewTextParser(model.UTF8Validation)
		families, err := p.TextToMetricFamilies(strings.NewReader(w.get(metrics.Path)))
		w.check(err)
		app := w.storage.Appender(w.t.Context())
		for _, f := range families {
			samples, err := expfmt.ExtractSamples(&expfmt.DecodeOptions{Timestamp: model.TimeFromUnixNano(w.now.UnixNano())}, f)
			w.check(err)
			for _, s := range samples {
				set := map[string]string{"job": "modferry", "instance": "shim:7443"}
				for name, value := range s.Metric {
					set[string(name)] = string(value)
				}
				_, err := app.Append(0, labels.FromMap(set), w.now.UnixMilli(), float64(s.Value))
				w.check(err)
			}
		}
		w.check(app.Commit())
	}
}

// ask returns how many series a query has now, and the first of them.
func (w *world) ask(query string, at time.Time) (n int, first string) {
	w.t.Helper()
	q, err := w.engine.NewInstantQuery(w.t.Context(), w.storage, nil, query, at)
	w.check(err)
	defer q.Close()
	v, err := q.Exec(w.t.Context()).Vector()
	if err != nil {
		w.t.Fatalf("%s: %v", query, err)
	}
	if len(v) > 0 {
		first = v[0].Metric.String()
	}
	return len(v), first
}

// firing returns the names of the alerts whose expression is true; for how long it has to be is left out.
func (w *world) firing(rules []rulefmt.Rule, at time.Time) (names []string) {
	w.t.Helper()
	for _, r := range rules {
		if n, _ := w.ask(r.Expr, at); n > 0 {
			names = append(names, r.Alert)
		}
	}
	return names
}

func readRules(t *testing.T) []rulefmt.Rule {
	t.Helper()
	groups, errs := rulefmt.ParseFile("modferry.rules.yaml", false, model.UTF8Validation, parser.NewParser(parser.Options{}), slog.New(slog.DiscardHandler))
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	return groups.Groups[0].Rules
}

func TestAlertsFireWhenTheyShould(t *testing.T) {
	w, rules := newWorld(t), readRules(t)
	want := func(when string, names ...string) {
		t.Helper()
		if got := w.firing(rules, w.now); !slices.Equal(got, names) {
			t.Errorf("%s: %v, want %v", when, got, names)
		}
	}
	w.get("/corp.example/lib/@v/v1.0.0.zip")
	w.get("/corp.example/none/@v/list")
	w.minutes(10)
	want("the store has no snapshot", "ModferrySnapshotOld")
	if body := w.get("/corp.example/forged/@v/v1.0.0.mod"); !strings.HasPrefix(body, "SECURITY") {
		t.Fatalf("a forged module: %s", body)
	}
	w.minutes(2)
	want("a version was refused", "ModferryVerificationFailed", "ModferrySnapshotOld")
	w.minutes(20)
	want("later", "ModferrySnapshotOld")
	w.registry.Close()
	w.get("/corp.example/other/@v/list")
	w.minutes(2)
	want("the registry is down", "ModferryStoreDown", "ModferrySnapshotOld")
}

func TestTheSnapshotGetsOld(t *testing.T) {
	w, rules := newWorld(t), readRules(t)
	captured := time.Now().Add(-time.Hour).Truncate(24 * time.Hour)
	m := metrics.New("v1.2.3")
	m.Watch(func(ctx context.Context) proxyshim.State {
		return proxyshim.State{Snapshot: proxyshim.SnapshotState{Log: "sum.golang.org", Records: 1000, Captured: captured, Checked: captured}}
	})
	w.shim = m.Handler(http.NotFoundHandler())
	w.minutes(1)
	if got := w.firing(rules, w.now); len(got) > 0 {
		t.Errorf("a new snapshot: %v", got)
	}
	w.now = captured.Add(14*24*time.Hour + time.Hour)
	w.minutes(1)
	if got := w.firing(rules, w.now); !slices.Equal(got, []string{"ModferrySnapshotOld"}) {
		t.Errorf("an old snapshot: %v", got)
	}
}

// TestTheDashboardShowsSomething: each of its queries is good, and finds something once something happened.
func TestTheDashboardShowsSomething(t *testing.T) {
	w := newWorld(t)
	w.minutes(2)
	for range 2 {
		w.get("/corp.example/lib/@v/v1.0.0.zip")
		w.get("/corp.example/lib/@v/v1.0.0.mod")
		w.get("/corp.example/forged/@v/v1.0.0.mod")
		w.minutes(2)
	}
	data, err := os.ReadFile("../grafana/modferry.json")
	w.check(err)
	var dashboard struct {
		Panels []struct {
			Title   string
			Targets []struct{ Expr string }
		}
	}
	w.check(json.Unmarshal(data, &dashboard))
	fill := strings.NewReplacer("$job", ".*", "$instance", ".*", "$__rate_interval", "5m")
	for _, p := range dashboard.Panels {
		for _, target := range p.Targets {
			n, first := w.ask(fill.Replace(target.Expr), w.now)
			if n == 0 && !strings.Contains(p.Title, "Age of the checksum snapshot") { // this store has none
				t.Errorf("%s: nothing for %s", p.Title, target.Expr)
			}
			t.Logf("%s: %d series, as %s", p.Title, n, first)
		}
	}
	if len(dashboard.Panels) < 10 {
		t.Errorf("%d panels", len(dashboard.Panels))
	}
}
