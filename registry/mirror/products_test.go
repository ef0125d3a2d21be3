package mirror

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/modferry/modferry/artifact/sign/signtest"
	"github.com/modferry/modferry/registry"
	"github.com/modferry/modferry/registry/collect/collecttest"
	"github.com/modferry/modferry/registry/remote/registrytest"
	"github.com/modferry/modferry/registry/requirement"
	"github.com/modferry/modferry/registry/upstream/upstreamtest"
)

func TestWhatAPolicyHoldsBackExists(t *testing.T) {
	reg := registrytest.New(t, registrytest.Options{})
	tree := upstreamtest.NewTree(t, "corp.example/a@v1.0.0")
	o := Options{Stores: openStores(t, reg.Host()+"/golang"), Upstream: collecttest.NewUpstream(t, tree.URL()), Signer: signtest.Signer(t, 0)}
	items := []requirement.Requirement{upstreamtest.Full("corp.example/a@v1.0.0")}
	run(t, items, o)
	reg.Inject(registrytest.HarborPolicyViolation())
	events, summary := run(t, items, o)
	if summary.Existing != 1 || summary.Failed != 0 || !strings.Contains(events[0].HeldBack, "2 vulnerabilities") {
		t.Errorf("%+v: %+v", summary, events[0])
	}
}

func TestWhatMayNotBeReadUnsignedIsSigned(t *testing.T) {
	reg := registrytest.New(t, registrytest.Options{})
	tree := upstreamtest.NewTree(t, "corp.example/a@v1.0.0")
	o := Options{Stores: openStores(t, reg.Host()+"/golang"), Upstream: collecttest.NewUpstream(t, tree.URL())}
	items := []requirement.Requirement{upstreamtest.Full("corp.example/a@v1.0.0")}
	run(t, items, o)
	reg.Inject(registrytest.HarborUnsigned())
	events, _ := run(t, items, o)
	if events[0].Status != Existing || !strings.Contains(events[0].HeldBack, "not signed") {
		t.Errorf("without a key: %+v", events[0])
	}
	o.Signer = signtest.Signer(t, 0)
	if events, _ := run(t, items, o); events[0].Status != Signed {
		t.Errorf("with one: %+v", events[0])
	}
	if events, _ := run(t, items, o); events[0].Status != Existing || events[0].HeldBack != "" {
		t.Errorf("then: %+v", events[0])
	}
}

func TestARegistryThatTakesNothingEndsTheRunOnce(t *testing.T) {
	for name, fault := range map[string]registrytest.Fault{
		"quota": registrytest.HarborQuotaExceeded(), "read-only": registrytest.HarborReadOnly(), "cache": registrytest.CacheTakesNothing(),
	} {
		reg := registrytest.New(t, registrytest.Options{})
		tree := upstreamtest.NewTree(t, "corp.example/a@v1.0.0", "corp.example/b@v1.0.0", "corp.example/c@v1.0.0")
		reg.Inject(fault)
		o := Options{Stores: openStores(t, reg.Host()+"/golang"), Upstream: collecttest.NewUpstream(t, tree.URL()), Jobs: 1}
		told := 0
		o.Report = func(Event) { told++ }
		_, err := Run(t.Context(), []requirement.Requirement{
			upstreamtest.Full("corp.example/a@v1.0.0"), upstreamtest.Full("corp.example/b@v1.0.0"), upstreamtest.Full("corp.example/c@v1.0.0"),
		}, o)
		if !errors.Is(err, registry.ErrReadOnly) || told != 0 {
			t.Errorf("%s: %d events, %v", name, told, err)
		}
		for _, r := range reg.Requests() {
			if !strings.HasSuffix(r.Repository, "/a") && r.Method != http.MethodGet {
				t.Errorf("%s: pushed to %s after that", name, r.Repository)
			}
		}
	}
}

func TestWhatAScannerHasToLookAtFirstIsWaitedFor(t *testing.T) {
	const a, b = "corp.example/a@v1.0.0", "corp.example/b@v1.0.0"
	for name, test := range map[string]struct {
		fault    registrytest.Fault
		held     int
		why      string
		patience time.Duration
		heals    bool // while it is waited for
	}{
		"let through at once":            {registrytest.Denied().Times(0), 0, "", time.Hour, false},
		"let through after its scan":     {registrytest.HarborPendingScan(), 0, "", time.Hour, true},
		"let through once it is scanned": {registrytest.HarborUnscanned(), 0, "", time.Hour, true},
		"vulnerable":                     {registrytest.HarborPolicyViolation(), 2, "2 vulnerabilities", time.Hour, false},
		"never scanned":                  {registrytest.HarborUnscanned(), 2, "without vulnerability scanning", time.Nanosecond, false},
		"its scan takes too long":        {registrytest.HarborPendingScan(), 2, `"Pending" status`, time.Nanosecond, false},
	} {
		t.Run(name, func(t *testing.T) {
			reg := registrytest.New(t, registrytest.Options{})
			tree := upstreamtest.NewTree(t, a, b)
			waited := 0
			var held []Event
			o := Options{
				Stores: openStores(t, reg.Host()+"/golang"), Upstream: collecttest.NewUpstream(t, tree.URL()), Signer: signtest.Signer(t, 0),
				WaitForScan: test.patience, ScanPoll: time.Millisecond,
				Scanning: func(int) {
					if waited++; test.heals {
						reg.Heal()
					}
				},
				Report: func(e Event) {
					if e.Status == HeldBack {
						held = append(held, e)
					}
				},
			}
			reg.Inject(test.fault)
			s, err := Run(t.Context(), []requirement.Requirement{upstreamtest.Full(a), upstreamtest.ModOnly("corp.example/c@v1.0.0"), upstreamtest.Full(b)}, o)
			if err != nil || s.New != 2 || s.HeldBack != test.held || len(held) != test.held {
				t.Fatalf("%+v, %d held back, %v", s, len(held), err)
			}
			for _, e := range held {
				if !strings.Contains(e.HeldBack, test.why) || e.Reference == "" {
					t.Errorf("%+v", e)
				}
			}
			if pending := strings.Contains(name, "scan"); (waited > 0) != pending {
				t.Errorf("waited %d times", waited)
			}
			if test.held == 0 {
				return
			}
			held = nil // it is there, and what is there is waited for, too
			if s, err = Run(t.Context(), []requirement.Requirement{upstreamtest.Full(a), upstreamtest.Full(b)}, o); err != nil || s.Existing != 2 || s.HeldBack != 2 || s.Failed != 0 {
				t.Errorf("again: %+v, %v", s, err)
			}
		})
	}
}
