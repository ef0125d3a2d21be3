package transfer_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/modferry/modferry/registry/transfer"
)

func TestKindsAndOrderOfItems(t *testing.T) {
	want := []struct {
		repo, tag string
		kind      transfer.Kind
		version   string
	}{
		{"sumdb/sum.golang.org", "head-900", transfer.Snapshot, ""},
		{"sumdb/sum.golang.org", "head-1000", transfer.Snapshot, ""},
		{"sumdb/sum.golang.org", "latest", transfer.Snapshot, ""},
		{"example.com/a", "v1.9.0.mod", transfer.Version, "v1.9.0"},
		{"example.com/a", "sumdb-v1.10.0", transfer.Evidence, "v1.10.0"},
		{"example.com/a", "v1.10.0", transfer.Version, "v1.10.0"},
		{"example.com/a", "v1.10.0.mod", transfer.Version, "v1.10.0"},
		{"example.com/a", "v2.0.0_incompatible", transfer.Version, "v2.0.0+incompatible"},
		{"example.com/b", "sumdb-v0.1.0-rc.mod_", transfer.Evidence, "v0.1.0-rc.mod"},
		{"example.com/a", "rev-main", transfer.Revision, ""},
		{"example.com/b", "rev_" + strings.Repeat("0", 64), transfer.Revision, ""},
		{"index", "signer-1234567890abcdef", transfer.Index, ""},
		{"index", "unsigned", transfer.Index, ""},
		{"sumdb/sum.golang.org", "tiles-signer-1234567890abcdef", transfer.Index, ""},
	}
	var items []transfer.Item
	for _, w := range want {
		it := transfer.Item{Repository: w.repo, Tag: w.tag}
		if it.Kind() != w.kind || it.Version() != w.version {
			t.Errorf("%v is %v of %q, want %v of %q", it, it.Kind(), it.Version(), w.kind, w.version)
		}
		items = append(items, it)
	}
	sorted := slices.Clone(items)
	slices.Reverse(sorted)
	slices.SortFunc(sorted, transfer.Compare)
	if fmt.Sprint(sorted) != fmt.Sprint(items) {
		t.Errorf("sorted as %v, want %v", sorted, items)
	}
	for _, it := range []transfer.Item{
		{Repository: "example.com/a", Tag: "sha256-" + strings.Repeat("0", 64) + ".sig"},
		{Repository: "example.com/a", Tag: "latest"},
		{Repository: "sumdb/sum.golang.org", Tag: "v1.0.0"},
		{Repository: "sumdb/sum.golang.org", Tag: "tiles-of-others"},
		{Repository: "index", Tag: "latest"},
		{Repository: "bundle", Tag: "volume"},
		{Repository: "example.com/a", Tag: "rev_x"},
	} {
		if it.Kind() != transfer.None {
			t.Errorf("%v is %v", it, it.Kind())
		}
	}
}
