package mirror

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/modferry/modferry/registry"
	"github.com/modferry/modferry/registry/collect/collecttest"
	"github.com/modferry/modferry/registry/remote/registrytest"
	"github.com/modferry/modferry/registry/requirement"
	"github.com/modferry/modferry/registry/upstream/upstreamtest"
)

func TestARegistryThatIsDownIsNotWaitedForByEveryVersion(t *testing.T) {
	reg := registrytest.New(t, registrytest.Options{})
	reg.Inject(registrytest.ServiceUnavailable())
	o := Options{Stores: openStores(t, reg.Host()+"/golang"), Upstream: collecttest.NewUpstream(t, upstreamtest.NewTree(t).URL()), Jobs: 2}
	var items []requirement.Requirement
	for i := range 10 * deadAfter {
		items = append(items, upstreamtest.Full(fmt.Sprintf("example.com/m%02d@v1.0.0", i)))
	}
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
	asked := map[string]bool{}
	for _, r := range reg.Requests() {
		asked[r.Repository] = true
	}
	if most := deadAfter + o.Jobs; len(asked) > most {
		t.Errorf("asked for %d versions, want at most %d", len(asked), most)
	}
}

func TestAnAnswerEndsAnOutage(t *testing.T) {
	store := openStores(t, "127.0.0.1:1/golang").Stores()[0]
	var o outages
	down := fmt.Errorf("down: %w", registry.ErrUnavailable)
	for range deadAfter - 1 {
		o.observe(store, down)
	}
	o.observe(store, registry.ErrNotFound)
	o.observe(store, down)
	if err := o.check(store); err != nil {
		t.Error(err)
	}
}
