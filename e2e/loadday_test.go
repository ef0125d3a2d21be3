package e2e

import (
	"bufio"
	"fmt"
	"net/http"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/modferry/modferry/e2e/load"
)

// TestLoadOfADay plays days of developers, first with nothing cached anywhere.
func TestLoadOfADay(t *testing.T) {
	l := newRealLoad(t)
	recorded, err := load.Recorded()
	l.check(err)
	const developers = 4
	jobs, err := load.DefaultMix().Jobs(recorded, developers)
	l.check(err)
	cache := t.TempDir()
	closed := func(p *load.Player) *load.Result { return p.Closed(t.Context(), jobs, 16) }
	for _, phase := range []struct {
		name    string
		secure  bool
		recheck string
		play    func(p *load.Player) *load.Result
	}{
		{"cold, HTTPS, 16 clients without a pause", true, "1h", closed},
		{"warm, HTTPS, 16 clients without a pause", true, "1h", closed},
		{"warm, HTTP/1.1, 16 clients without a pause", false, "1h", closed},
		{"warm, HTTP/1.1, the registry asked again each time", false, "0", closed},
		{"warm, HTTPS, as people come in 20 s", true, "1h", func(p *load.Player) *load.Result { return p.Open(t.Context(), jobs, 20*time.Second) }},
	} {
		s := l.shim(cache, phase.secure, "--recheck", phase.recheck)
		before, _, _ := now(t, l.process())
		r := phase.play(l.player(s))
		l.report(phase.name, r, []*process{s}, before, developers)
		s.kill()
	}
}

// TestLoadGrowthOfADay plays the same days before a small store and a large one.
func TestLoadGrowthOfADay(t *testing.T) {
	if os.Getenv(envLoad) == "" {
		t.Skipf("%s is not set; run make load", envLoad)
	}
	recorded, err := load.Recorded()
	must(t, err)
	jobs, err := load.DefaultMix().Jobs(recorded, 2)
	must(t, err)
	for _, versions := range []int{2000, 200_000} {
		l := newLoadWorld(t, versions, 10, logRecords)
		cache := t.TempDir()
		for _, name := range []string{"cold", "warm"} {
			s := l.serve(t, cache, true)
			before := l.counts(t)
			r := l.player(t, s).Closed(t.Context(), jobs, 16)
			for _, err := range r.Errors() {
				t.Error(err)
			}
			asked := l.counts(t)
			for kind, n := range before {
				if asked[kind] -= n; asked[kind] == 0 {
					delete(asked, kind)
				}
			}
			cpu, _, peak := now(t, s)
			fmt.Printf("%8d versions, %s: %d requests, %6.2f s CPU, %4.0f MB at most, the registry asked for %v\n", versions, name, r.Count(""), cpu, peak, asked)
			must(t, s.interrupt())
		}
	}
}

// TestLoadOfAMonday has everybody begin at once, at three shims that have nothing.
func TestLoadOfAMonday(t *testing.T) {
	l := newRealLoad(t)
	recorded, err := load.Recorded()
	l.check(err)
	mix := load.Mix{Uses: []load.Use{{Command: "mod download, cold", PerDay: 1}}, Projects: map[string]float64{"cosign": 1}}
	jobs, err := mix.Jobs(recorded, 24)
	l.check(err)
	var shims []*process
	for range 3 {
		shims = append(shims, l.shim(t.TempDir(), true))
	}
	before, _, _ := now(t, l.process())
	r := l.player(shims...).Open(t.Context(), jobs, 0)
	l.report("24 jobs at one moment, three shims with nothing", r, shims, before, 0)
}

// report prints what came of sessions, and what it took.
func (l *realLoad) report(name string, r *load.Result, shims []*process, registryBefore float64, developers int) {
	l.t.Helper()
	for _, err := range r.Errors() {
		l.t.Error(err)
	}
	total, most := 0.0, 0.0
	asked := make(map[string]int)
	for _, s := range shims {
		l.registryRequests(s, asked)
		cpu, _, peak := now(l.t, s)
		total, most = total+cpu, max(most, peak)
	}
	registry, _, _ := now(l.t, l.process())
	fmt.Printf("\n%s: %d sessions, %d requests, %.0f MB, %d connections, %d errors; CPU of the shims %.2f s, of the registry %.2f s, asked for %v; peak memory of a shim %.0f MB\n",
		name, r.Sessions(), r.Count(""), float64(r.Bytes())/1e6, r.Connections(), len(r.Errors()), total, registry-registryBefore, asked, most)
	if developers > 0 {
		fmt.Printf("for each developer a day: %.0f requests, %.0f MB, %.2f s of the shim, %.2f s of the registry\n", float64(r.Count(""))/float64(developers),
			float64(r.Bytes())/1e6/float64(developers), total/float64(developers), (registry-registryBefore)/float64(developers))
	}
	l.check(r.Write(os.Stdout))
}

// registryRequests adds how often a shim has asked the registry, by the status of the answer, as its metrics say.
func (l *realLoad) registryRequests(s *process, by map[string]int) {
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: l.tlsConfig()}}
	defer client.CloseIdleConnections()
	resp, err := client.Get(s.ready + "/-/metrics")
	l.check(err)
	defer resp.Body.Close()
	for lines := bufio.NewScanner(resp.Body); lines.Scan(); {
		rest, ok := strings.CutPrefix(lines.Text(), `modferry_registry_requests_total{code="`)
		if !ok {
			continue
		}
		code, _, _ := strings.Cut(rest, `"`)
		n, err := strconv.Atoi(rest[strings.LastIndex(rest, " ")+1:])
		l.check(err)
		by[code] += n
	}
}
