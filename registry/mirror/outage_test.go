package mirror

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/modferry/modferry/registry"
	"github.com/modferry/modferry/registry/collect/collecttest"
	"github.com/modferry/modferry/registry/remote/registrytest"
	"github.com/modferry/modferry/registry/requirement"
	"github.com/modferry/modferry/registry/upstream/upstreamtest"
)

// deadAfter is how many versions in a row outage.Detector lets a store leave without an answer.
const deadAfter = 8

// manyVersions are more than a registry that is down is asked for.
func manyVersions() (names []string, items []requirement.Requirement) {
	for i := range 10 * deadAfter {
		names = append(names, fmt.Sprintf("example.com/m%02d@v1.0.0", i))
		items = append(items, upstreamtest.Full(names[i]))
	}
	return names, items
}

// repositories returns how many repositories were asked for with one of these methods; none is any.
func repositories(requests []registrytest.Request, methods ...string) int {
	asked := map[string]bool{}
	for _, r := range requests {
		if methods == nil || slices.Contains(methods, r.Method) {
			asked[r.Repository] = true
		}
	}
	return len(asked)
}

func TestARegistryThatIsDownIsNotWaitedForByEveryVersion(t *testing.T) {
	names, items := manyVersions()
	tree := upstreamtest.NewTree(t, names...)
	for name, methods := range map[string][]string{"from the beginning": nil, "when versions are pushed": {http.MethodPost}} {
		t.Run(name, func(t *testing.T) {
			reg := registrytest.New(t, registrytest.Options{})
			reg.Inject(registrytest.ServiceUnavailable().On(strings.Join(methods, ""), ""))
			proxy := upstreamtest.NewProxy(t, tree, nil)
			o := Options{Stores: openStores(t, reg.Host()+"/golang"), Upstream: collecttest.NewUpstream(t, proxy.URL), Jobs: 2}
			events, summary := run(t, items, o)
			if summary.Failed != len(items) {
				t.Errorf("%+v", summary)
			}
			for _, e := range events {
				if !errors.Is(e.Err, registry.ErrUnavailable) {
					t.Errorf("%s: %v", e.Module, e.Err)
				}
			}
			if last := events[len(events)-1].Err; !strings.Contains(last.Error(), "not tried") {
				t.Errorf("the last one: %v", last)
			}
			most := deadAfter + o.Jobs
			if asked, fetched := repositories(reg.Requests(), methods...), proxy.Count(".zip"); asked > most || fetched > most {
				t.Errorf("asked for %d versions and fetched %d, want at most %d", asked, fetched, most)
			}
		})
	}
}

func TestARegistryThatGoesDownWhileScansAreWaitedForIsNotAskedForEveryVersion(t *testing.T) {
	names, items := manyVersions()
	reg := registrytest.New(t, registrytest.Options{})
	o := Options{
		Stores: openStores(t, reg.Host()+"/golang"), Upstream: collecttest.NewUpstream(t, upstreamtest.NewTree(t, names...).URL()),
		Jobs: 2, WaitForScan: time.Minute,
	}
	done, before := 0, 0
	o.Report = func(Event) {
		if done++; done == len(items) {
			before = len(reg.Requests())
			reg.Inject(registrytest.ServiceUnavailable())
		}
	}
	summary, err := Run(t.Context(), items, o)
	if err != nil || summary.New != len(items) || summary.Failed != len(items) {
		t.Errorf("%+v, %v", summary, err)
	}
	if asked, most := repositories(reg.Requests()[before:]), deadAfter+o.Jobs+1; asked > most { // and for the index
		t.Errorf("asked for %d versions, want at most %d", asked, most)
	}
}
