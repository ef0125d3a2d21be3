package outage

import (
	"errors"
	"fmt"
	"testing"

	"github.com/modferry/modferry/registry"
	"github.com/modferry/modferry/registry/ocilayout"
)

func TestAnAnswerEndsAnOutage(t *testing.T) {
	store, err := ocilayout.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	var d Detector
	down := fmt.Errorf("down: %w", registry.ErrUnavailable)
	for range 7 {
		d.Observe(store, down)
	}
	d.Observe(store, registry.ErrNotFound)
	for range 7 {
		if d.Observe(store, down); d.Check(store) != nil {
			t.Fatal("it is down before the eighth version in a row")
		}
	}
	if d.Observe(store, down); !errors.Is(d.Check(store), registry.ErrUnavailable) {
		t.Errorf("it is not down: %v", d.Check(store))
	}
}
