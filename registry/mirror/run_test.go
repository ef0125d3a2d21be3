package mirror

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/modferry/modferry/artifact/sign/signtest"
	"github.com/modferry/modferry/registry"
	"github.com/modferry/modferry/registry/collect/collecttest"
	"github.com/modferry/modferry/registry/redact/redacttest"
	"github.com/modferry/modferry/registry/remote/registrytest"
	"github.com/modferry/modferry/registry/requirement"
	"github.com/modferry/modferry/registry/upstream"
	"github.com/modferry/modferry/registry/upstream/upstreamtest"
)

func TestRunMirrorsIntoEveryKindOfStore(t *testing.T) {
	tree := upstreamtest.NewTree(t, "example.com/a@v1.0.0", "example.com/Upper/b@v1.0.0", "example.com/c@v2.0.0+incompatible")
	signer := signtest.Signer(t, 0)
	for name, spec := range map[string]string{
		"layout":   "oci:" + filepath.Join(t.TempDir(), "new", "store"),
		"registry": registrytest.New(t, registrytest.Options{}).Host() + "/golang",
	} {
		t.Run(name, func(t *testing.T) {
			proxy := upstreamtest.NewProxy(t, tree, nil)
			items := []requirement.Requirement{upstreamtest.Full("example.com/a@v1.0.0"), upstreamtest.Full("example.com/Upper/b@v1.0.0"), upstreamtest.ModOnly("example.com/a@v1.0.0"), upstreamtest.Full("example.com/c@v2.0.0+incompatible")}
			stores := openStores(t, spec)
			o := Options{Stores: stores, Upstream: collecttest.NewUpstream(t, proxy.URL), Signer: signer}

			events, summary := run(t, items, o)
			if summary.New != 4 || summary.Failed != 0 || summary.Bytes == 0 {
				t.Fatalf("%+v %+v", summary, events)
			}
			for _, e := range events {
				store, err := stores.For(e.Module.Path)
				if err != nil {
					t.Fatal(err)
				}
				m, err := store.FindKind(t.Context(), e.Module, e.ModOnly)
				if err != nil {
					t.Fatal(err)
				}
				if _, err := store.Verify(t.Context(), m, signer.Verifier()); err != nil {
					t.Errorf("%v: %v", e.Module, err)
				}
				tag, _ := m.Tag()
				if e.Digest != m.Descriptor.Digest || e.Reference != store.Reference(m.Repository, tag) || e.Bytes < m.Descriptor.Size {
					t.Errorf("event %+v does not fit %+v", e, m.Descriptor)
				}
				zip := upstreamtest.TempFile(t)
				if !e.ModOnly {
					if err := store.Zip(t.Context(), m, zip); err != nil {
						t.Error(err)
					}
					if upstreamtest.ReadAll(t, zip.Name()) != upstreamtest.ReadAll(t, tree.File(t, e.Module.String(), ".zip")) {
						t.Errorf("%v: another zip than upstream's", e.Module)
					}
				}
			}

			before := proxy.Count("")
			_, again := run(t, items, o)
			if again != (Summary{Existing: 4}) || proxy.Count("") != before {
				t.Errorf("again: %+v, %d requests to upstream", again, proxy.Count("")-before)
			}
		})
	}
}

func TestRequestsOfMirroring(t *testing.T) {
	tree := upstreamtest.NewTree(t, "example.com/a@v1.0.0")
	log := upstreamtest.NewLog(t, tree)
	reg := registrytest.New(t, registrytest.Options{})
	up := collecttest.NewUpstream(t, tree.URL())
	pinned := Options{
		Stores: openStores(t, reg.Host()+"/golang"), Upstream: up, Signer: signtest.Signer(t, 0),
		Checksums: newChecksums(t, upstream.ChecksumOptions{GOSUMDB: log.GOSUMDB(), Upstream: up}),
	}
	unsigned := pinned
	unsigned.Signer = nil
	other := pinned
	other.Signer = signtest.Signer(t, 1)
	for _, tt := range []struct {
		name   string
		item   requirement.Requirement
		o      Options
		status Status
		reads  int // at most
		writes int
	}{
		{"new full version", upstreamtest.Full("example.com/a@v1.0.0"), pinned, New, 2 + 1, 13}, // the first absence is confirmed
		{"new mod-only version", upstreamtest.ModOnly("example.com/a@v1.0.0"), pinned, New, 2, 11},
		{"existing full version", upstreamtest.Full("example.com/a@v1.0.0"), pinned, Existing, 2, 0},
		{"existing mod-only version", upstreamtest.ModOnly("example.com/a@v1.0.0"), pinned, Existing, 2, 0},
		{"existing, not signing", upstreamtest.Full("example.com/a@v1.0.0"), unsigned, Existing, 1, 0},
		{"existing, other key", upstreamtest.Full("example.com/a@v1.0.0"), other, Signed, 4, 5},
	} {
		reg.Reset()
		events, _ := run(t, []requirement.Requirement{tt.item}, tt.o)
		if events[0].Status != tt.status {
			t.Fatalf("%s: %+v", tt.name, events[0])
		}
		reads, writes := countRequests(reg, "golang/example.com/")
		if reads > tt.reads || writes != tt.writes {
			t.Errorf("%s: %d reads and %d writes, want %d and %d", tt.name, reads, writes, tt.reads, tt.writes)
		}
		if reads, writes := countRequests(reg, "golang/sumdb/"); tt.status == Existing && (reads > 2 || writes != 0) {
			t.Errorf("%s: %d reads and %d writes for a snapshot that did not change", tt.name, reads, writes)
		}
	}
}

// countRequests counts the requests about repositories with a prefix.
func countRequests(reg *registrytest.Registry, prefix string) (reads, writes int) {
	for _, r := range reg.Requests() {
		switch {
		case !strings.HasPrefix(r.Repository, prefix):
		case r.Method == http.MethodGet || r.Method == http.MethodHead:
			reads++
		default:
			writes++
		}
	}
	return reads, writes
}

func TestOneBadModuleDoesNotStopTheOthers(t *testing.T) {
	tree := upstreamtest.NewTree(t, "example.com/a@v1.0.0", "example.com/z@v1.0.0")
	proxy := upstreamtest.NewProxy(t, tree, func(w http.ResponseWriter, r *http.Request) bool {
		for path, status := range map[string]int{"/example.com/gone/": 410, "/example.com/broken/": 500, "/example.com/denied/": 403} {
			if strings.HasPrefix(r.URL.Path, path) {
				http.Error(w, "no "+path, status)
				return true
			}
		}
		return false
	})
	items := []requirement.Requirement{
		upstreamtest.Full("example.com/a@v1.0.0"), upstreamtest.Full("example.com/missing@v1.0.0"), upstreamtest.Full("example.com/gone@v1.0.0"),
		upstreamtest.Full("example.com/broken@v1.0.0"), upstreamtest.ModOnly("example.com/denied@v1.0.0"), upstreamtest.Full("example.com/z@v1.0.0"),
	}
	want := map[string]error{"example.com/missing": upstream.ErrNotFound, "example.com/gone": upstream.ErrNotFound, "example.com/broken": upstream.ErrUpstream, "example.com/denied": upstream.ErrUpstream}
	o := Options{Stores: openStores(t, "oci:"+t.TempDir()), Upstream: collecttest.NewUpstream(t, proxy.URL), TempDir: t.TempDir()}
	events, summary := run(t, items, o)
	if summary.New != 2 || summary.Failed != 4 {
		t.Errorf("%+v", summary)
	}
	for _, e := range events {
		if target := want[e.Module.Path]; !errors.Is(e.Err, target) || (e.Err != nil) != (e.Status == Failed) {
			t.Errorf("%v: %s, %v; want %v", e.Module, e.Status, e.Err, target)
		}
		if e.Err != nil && (!strings.Contains(e.Err.Error(), e.Module.String()) || !strings.Contains(e.Err.Error(), proxy.URL)) {
			t.Errorf("%v: %q does not name module and upstream", e.Module, e.Err)
		}
	}
	if left, _ := os.ReadDir(o.TempDir); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestRunSignsWhatIsThereUnsigned(t *testing.T) {
	tree := upstreamtest.NewTree(t, "example.com/a@v1.0.0")
	o := Options{Stores: openStores(t, "oci:"+t.TempDir()), Upstream: collecttest.NewUpstream(t, tree.URL())}
	items := []requirement.Requirement{upstreamtest.Full("example.com/a@v1.0.0")}
	run(t, items, o)
	o.Signer = signtest.Signer(t, 0)
	o.DryRun = true
	if events, summary := run(t, items, o); summary != (Summary{Signed: 1}) || events[0].Digest == "" {
		t.Errorf("dry: %+v", summary)
	}
	o.DryRun = false
	if _, summary := run(t, items, o); summary != (Summary{Signed: 1}) {
		t.Errorf("%+v", summary)
	}
	if _, summary := run(t, items, o); summary != (Summary{Existing: 1}) {
		t.Errorf("%+v", summary)
	}
}

func TestRunNeverSignsWhatUpstreamDoesNotConfirm(t *testing.T) {
	tree := upstreamtest.NewTree(t, "corp.example/a@v1.0.0")
	o := Options{Stores: openStores(t, "oci:"+t.TempDir()), Upstream: collecttest.NewUpstream(t, tree.URL())}
	items := []requirement.Requirement{upstreamtest.Full("corp.example/a@v1.0.0")}
	run(t, items, o)
	tree.Add(t, "corp.example/a@v1.0.0", map[string]string{"new.go": "package lib\n"})
	o.Signer = signtest.Signer(t, 0)
	events, summary := run(t, items, o)
	if summary.Failed != 1 || !errors.Is(events[0].Err, registry.ErrConflict) {
		t.Errorf("%+v %v", summary, events[0].Err)
	}
}

func TestRunRefusesAStoredVersionThatGoSumDoesNotMean(t *testing.T) {
	tree := upstreamtest.NewTree(t, "corp.example/a@v1.0.0")
	zip, mod := treeSums(t, tree, "corp.example/a@v1.0.0")
	o := Options{Stores: openStores(t, "oci:"+t.TempDir()), Upstream: collecttest.NewUpstream(t, tree.URL())}
	it := upstreamtest.Full("corp.example/a@v1.0.0")
	it.From = "go.sum:7"
	it.Sum, it.GoModSum = zip, mod
	if _, summary := run(t, []requirement.Requirement{it}, o); summary.New != 1 {
		t.Fatal(summary)
	}
	it.Sum = upstreamtest.SumA
	events, _ := run(t, []requirement.Requirement{it}, o)
	err := events[0].Err
	if !errors.Is(err, registry.ErrConflict) {
		t.Fatal(err)
	}
	for _, want := range []string{zip, upstreamtest.SumA, "go.sum:7", "corp.example/a@v1.0.0"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q lacks %q", err, want)
		}
	}
}

func TestOfAVersionWithoutItsZipTheGoModIsMirrored(t *testing.T) {
	const version = "corp.example/a@v1.0.0"
	tree := upstreamtest.NewTree(t, version)
	zip, mod := treeSums(t, tree, version)
	stores := openStores(t, "oci:"+t.TempDir())
	o := Options{Stores: stores, Upstream: collecttest.NewUpstream(t, tree.URL())}
	it := upstreamtest.Full(version)
	it.Sum, it.GoModSum = zip, mod
	for _, spoil := range []func(){
		func() { tree.Write(t, version, ".zip", "") }, // which counts as none
		func() { _ = os.Remove(tree.File(t, version, ".zip")) },
	} {
		spoil()
		events, summary := run(t, []requirement.Requirement{it}, o)
		if err := events[0].Err; summary.Failed != 1 || summary.New+summary.Existing != 0 || !errors.Is(err, upstream.ErrNotFound) || !strings.Contains(err.Error(), "its go.mod is mirrored") {
			t.Errorf("%+v, %v", summary, err)
		}
	}
	it.ModOnly = true
	if _, summary := run(t, []requirement.Requirement{it}, o); summary.Existing != 1 {
		t.Errorf("%+v", summary)
	}

	toolchain := upstreamtest.Full("golang.org/toolchain@v0.0.1-go1.26.8.linux-amd64")
	events, _ := run(t, []requirement.Requirement{toolchain}, o)
	if err := events[0].Err; err == nil || strings.Contains(err.Error(), "is mirrored") {
		t.Error(err)
	}

	locked := upstreamtest.Full(version)
	locked.Locked = requirement.Sums{GoMod: upstreamtest.SumA}
	if _, err := Run(t.Context(), []requirement.Requirement{locked}, Options{Stores: openStores(t, "oci:"+t.TempDir()), Upstream: o.Upstream}); !errors.Is(err, ErrLocked) {
		t.Errorf("what is locked otherwise did not end the run: %v", err)
	}

	other := upstreamtest.Full(version)
	other.GoModSum = upstreamtest.SumA // what is not what go.sum says is not mirrored in any form
	events, _ = run(t, []requirement.Requirement{other}, Options{Stores: openStores(t, "oci:"+t.TempDir()), Upstream: o.Upstream})
	if err := events[0].Err; !errors.Is(err, upstream.ErrChecksum) || strings.Contains(err.Error(), "is mirrored") {
		t.Error(err)
	}
}

func TestDryRunChangesNothing(t *testing.T) {
	tree := upstreamtest.NewTree(t, "example.com/a@v1.0.0", "example.com/b@v1.0.0")
	dir := filepath.Join(t.TempDir(), "store")
	o := Options{Stores: openStores(t, "oci:"+dir), Upstream: collecttest.NewUpstream(t, tree.URL()), DryRun: true}
	items := []requirement.Requirement{upstreamtest.Full("example.com/a@v1.0.0"), upstreamtest.Full("example.com/b@v1.0.0"), upstreamtest.Full("example.com/missing@v1.0.0")}
	if events, summary := run(t, items, o); summary != (Summary{New: 2, Failed: 1}) || events[0].Status != Planned {
		t.Errorf("%+v", summary)
	}
	if _, err := os.Stat(dir); !errors.Is(err, os.ErrNotExist) {
		t.Error("the store was made:", err)
	}
	o.DryRun = false
	run(t, items[:1], o)
	o.DryRun = true
	if _, summary := run(t, items, o); summary != (Summary{New: 1, Existing: 1, Failed: 1}) {
		t.Errorf("%+v", summary)
	}
}

func TestRunThatWasCancelledIsFinishedByTheNext(t *testing.T) {
	tree := upstreamtest.NewTree(t)
	var items []requirement.Requirement
	for _, name := range []string{"a", "b", "c", "d", "e", "f", "g", "h"} {
		v := "example.com/" + name + "@v1.0.0"
		tree.Add(t, v, nil)
		items = append(items, upstreamtest.Full(v))
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	proxy := upstreamtest.NewProxy(t, tree, func(_ http.ResponseWriter, r *http.Request) bool {
		if strings.Contains(r.URL.Path, "/d/") {
			cancel()
			<-r.Context().Done()
			return true
		}
		return false
	})
	o := Options{Stores: openStores(t, "oci:"+t.TempDir()), Upstream: collecttest.NewUpstream(t, proxy.URL), Jobs: 2, TempDir: t.TempDir()}
	summary, err := Run(ctx, items, o)
	if !errors.Is(err, context.Canceled) || summary.Failed != 0 || summary.New > 5 {
		t.Errorf("%+v, %v", summary, err)
	}
	if left, _ := os.ReadDir(o.TempDir); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
	o.Upstream = collecttest.NewUpstream(t, tree.URL())
	// What was stored while the end came may not have been counted any more.
	if _, again := run(t, items, o); again.Existing < summary.New || again.New+again.Existing != len(items) {
		t.Errorf("%+v, again %+v", summary, again)
	}
}

func TestRunNeedsAStoreThatIsMeantForTheModule(t *testing.T) {
	tree := upstreamtest.NewTree(t, "corp.example/a@v1.0.0")
	o := Options{Stores: openStores(t, "corp.example=none,oci:"+t.TempDir()), Upstream: collecttest.NewUpstream(t, tree.URL())}
	events, _ := run(t, []requirement.Requirement{upstreamtest.Full("corp.example/a@v1.0.0")}, o)
	if !errors.Is(events[0].Err, registry.ErrBlocked) || !strings.Contains(events[0].Err.Error(), "corp.example/a@v1.0.0") {
		t.Error(events[0].Err)
	}
	if _, err := Run(t.Context(), nil, Options{}); err == nil || !strings.Contains(err.Error(), "a store and an upstream") {
		t.Error("no store, and no error")
	}
	o.TempDir = filepath.Join(t.TempDir(), "absent")
	if _, err := Run(t.Context(), nil, o); !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
}

func TestEventIsOneJSONObject(t *testing.T) {
	e := Event{Requirement: requirement.Requirement{Module: upstreamtest.VersionA, ModOnly: true, From: "go.sum:3"}, Status: Failed, Err: upstream.ErrNotFound}
	got, err := json.Marshal(e)
	const want = `{"module":"example.com/a","version":"v1.0.0","modOnly":true,"from":"go.sum:3","status":"failed","seconds":0,"error":"does not exist upstream"}`
	if err != nil || string(got) != want {
		t.Errorf("%s, %v", got, err)
	}
}

// run runs o and returns the events in the order of the items.
func run(t testing.TB, items []requirement.Requirement, o Options) ([]Event, Summary) {
	t.Helper()
	var events []Event
	o.Report = func(e Event) { events = append(events, e) }
	summary, err := Run(t.Context(), items, o)
	if err != nil || len(events) != len(items) {
		t.Fatalf("%d events for %d items: %v", len(events), len(items), err)
	}
	place := func(e Event) int {
		return slices.IndexFunc(items, func(it requirement.Requirement) bool { return reflect.DeepEqual(it, e.Requirement) })
	}
	slices.SortFunc(events, func(a, b Event) int { return place(a) - place(b) })
	return events, summary
}

func TestEventsShowNoCredentials(t *testing.T) {
	for _, user := range redacttest.Users() {
		data, err := json.Marshal(Event{Err: fmt.Errorf("of https://%s@proxy.example: %w", user, upstream.ErrUpstream)})
		if err != nil {
			t.Error(err)
		}
		redacttest.Check(t, string(data))
	}
}
