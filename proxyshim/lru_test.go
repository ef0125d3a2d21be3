package proxyshim

import (
	"slices"
	"testing"
)

func TestLRUForgetsWhatWasNotWrittenForLongest(t *testing.T) {
	l := newLRU[string, int](2)
	add := func(n *int) { *n++ }
	l.update("a", add)
	l.update("b", add)
	l.update("a", add)
	l.update("c", add)
	if _, ok := l.get("b"); ok {
		t.Error("b is still there")
	}
	if got := l.values(); !slices.Equal(got, []int{1, 2}) {
		t.Errorf("values = %v", got)
	}
}
