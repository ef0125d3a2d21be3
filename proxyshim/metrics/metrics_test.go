package metrics

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	"golang.org/x/mod/module"

	"github.com/modferry/modferry/artifact/artifacttest"
	"github.com/modferry/modferry/artifact/sign/signtest"
	"github.com/modferry/modferry/proxyshim"
	"github.com/modferry/modferry/proxyshim/events"
	"github.com/modferry/modferry/registry/remote"
	"github.com/modferry/modferry/registry/remote/registrytest"
	"github.com/modferry/modferry/registry/stores"
	"github.com/modferry/modferry/registry/storetest"
)

// env is a shim that is counted.
type env struct {
	t        *testing.T
	registry *registrytest.Registry
	handler  http.Handler
	publish  func(m module.Version, key int)
}

func newEnv(t *testing.T) *env {
	t.Helper()
	check := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	m := New("v1.2.3")
	reg := registrytest.New(t, registrytest.Options{})
	client, err := remote.NewClient(remote.ClientOptions{Retries: -1, Requested: m.RegistryRequest})
	check(err)
	router, err := stores.Route(client, reg.URL+"/golang")
	check(err)
	shim, err := proxyshim.New(proxyshim.Options{
		Stores: router, Verifier: signtest.Signer(t, 0).Verifier(), CacheDir: t.TempDir(), Recheck: time.Hour,
		Conditions: []proxyshim.Condition{{Name: "access", Err: func() error { return errors.New("broken") }}},
	})
	check(err)
	t.Cleanup(func() { check(errors.Join(shim.Close(), router.Close())) })
	m.Watch(shim.State)
	return &env{
		t: t, registry: reg, handler: events.Observe(m.Handler(shim), m.Observe),
		publish: func(v module.Version, key int) {
			storetest.Publish(t, router.Stores()[0], artifacttest.FullVersion(t, v, "text"), signtest.Signer(t, key))
		},
	}
}

func (e *env) get(path string) (int, string) {
	e.t.Helper()
	w := httptest.NewRecorder()
	e.handler.ServeHTTP(w, httptest.NewRequest("GET", path, nil))
	return w.Code, w.Body.String()
}

// has checks lines of the metrics.
func (e *env) has(lines ...string) (metrics string) {
	e.t.Helper()
	_, metrics = e.get(Path)
	for _, line := range lines {
		if !slices.Contains(strings.Split(metrics, "\n"), line) {
			name, _, _ := strings.Cut(line, "{")
			e.t.Errorf("no line %s, but:\n%s", line, strings.Join(regexp.MustCompile(`(?m)^`+name+`\W.*`).FindAllString(metrics, -1), "\n"))
		}
	}
	return metrics
}

func TestWhatIsCounted(t *testing.T) {
	e := newEnv(t)
	e.publish(module.Version{Path: "corp.example/lib", Version: "v1.0.0"}, 0)
	e.publish(module.Version{Path: "corp.example/forged", Version: "v1.0.0"}, 1)
	e.has() // has the snapshot looked for
	before := calls(t, e.has())
	e.registry.Reset()
	_, list := e.get("/corp.example/lib/@v/list")
	for _, path := range []string{
		"/corp.example/lib/@v/v1.0.0.info", "/corp.example/lib/@v/v1.0.0.zip", "/corp.example/lib/@v/v1.0.0.zip",
		"/corp.example/forged/@v/v1.0.0.mod", "/corp.example/none/@latest", "/corp.example/none/@v/v1.0.0.zip", "/nonsense", "/-/healthz", "/",
	} {
		e.get(path)
	}
	metrics := e.has(
		`modferry_build_info{version="v1.2.3"} 1`,
		`modferry_requests_total{kind="list",outcome="served"} 1`,
		`modferry_requests_total{kind="zip",outcome="served"} 2`,
		`modferry_requests_total{kind="mod",outcome="refused"} 1`,
		`modferry_requests_total{kind="latest",outcome="absent"} 1`,
		`modferry_requests_total{kind="other",outcome="absent"} 1`,
		`modferry_requests_total{kind="probe",outcome="served"} 3`,
		`modferry_requests_total{kind="page",outcome="served"} 1`,
		`modferry_request_duration_seconds_count{kind="zip"} 3`,
		fmt.Sprintf(`modferry_response_bytes_total{kind="list"} %d`, len(list)),
		`modferry_cache_requests_total{kind="zip",result="miss"} 1`,
		`modferry_cache_requests_total{kind="zip",result="hit"} 1`,
		`modferry_verification_failures_total{reason="untrusted"} 1`,
		`modferry_verification_failures_total{reason="checksum"} 0`,
		`modferry_fetches_in_flight 0`,
		`modferry_wishes 1`,
		`modferry_file_in_force{file="access"} 0`,
		`modferry_snapshot_records{log="sum.golang.org"} 0`,
		`modferry_store_up{store="`+strings.TrimPrefix(e.registry.URL, "http://")+`/golang"} 1`,
	)
	if strings.Contains(metrics, "corp.example") {
		t.Errorf("a module's path is in the metrics:\n%s", metrics)
	}
	if counted, made := calls(t, metrics)-before, len(e.registry.Requests()); counted != made || made == 0 {
		t.Errorf("%d requests to the registry were counted, and %d made", counted, made)
	}
}

// calls returns how many requests to registries are counted.
func calls(t *testing.T, metrics string) (sum int) {
	t.Helper()
	for _, line := range regexp.MustCompile(`(?m)^modferry_registry_requests_total\{.*\} (\d+)$`).FindAllStringSubmatch(metrics, -1) {
		n, err := strconv.Atoi(line[1])
		if err != nil {
			t.Fatal(err)
		}
		sum += n
	}
	return sum
}

func TestAStoreThatIsDown(t *testing.T) {
	e := newEnv(t)
	e.registry.Inject(registrytest.ServiceUnavailable())
	e.get("/corp.example/lib/@v/list")
	e.has(
		`modferry_requests_total{kind="list",outcome="unavailable"} 1`,
		`modferry_registry_request_duration_seconds_count{method="GET"} 1`,
		`modferry_registry_requests_total{code="503",method="GET"} 1`,
		`modferry_store_up{store="`+strings.TrimPrefix(e.registry.URL, "http://")+`/golang"} 0`,
	)
	e.registry.Close()
	e.get("/corp.example/lib/@latest")
	if metrics := e.has(); !strings.Contains(metrics, `modferry_registry_requests_total{code="0",method="GET"}`) {
		t.Error("no answer at all is not counted")
	}
}

func TestNamesKeepToTheConventions(t *testing.T) {
	m := New("v1.2.3")
	m.Watch(func(context.Context) proxyshim.State {
		now := time.Now()
		return proxyshim.State{
			Stores: map[string]bool{"a": true}, InForce: map[string]bool{"policy": true},
			Snapshot: proxyshim.SnapshotState{Log: "sum.golang.org", Records: 1, Captured: now, Checked: now},
		}
	})
	m.Observe(&events.Event{Kind: "zip", Outcome: events.Refused, Reason: "corrupt"})
	m.Observe(&events.Event{Kind: "zip", Outcome: events.Served})
	m.RegistryRequest("GET", 200, time.Second)
	m.RegistryRequest("GET", 999, time.Second)
	families, err := m.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	problems, err := promlint.NewWithMetricFamilies(families).Lint()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
	if len(families) < 20 {
		t.Errorf("%d families", len(families))
	}
}
