package transfer_test

import (
	"errors"
	"maps"
	"testing"

	"golang.org/x/mod/module"

	"github.com/modferry/modferry/artifact/sign"
	"github.com/modferry/modferry/artifact/sign/signtest"
	"github.com/modferry/modferry/artifact/sumdb"
	"github.com/modferry/modferry/registry"
	"github.com/modferry/modferry/registry/transfer"
	"github.com/modferry/modferry/registry/transfer/transfertest"
)

func TestATileIndexIsCopiedAndNothingOfOthersIsLost(t *testing.T) {
	signer := signtest.Signer(t, 0)
	_, from := newRegistry(t)
	to, log := newLayout(t), transfertest.NewLog(t)
	m := func(path string) module.Version { return module.Version{Path: path, Version: "v1.0.0"} }
	publish := func(s *registry.Store, tiles map[int64]module.Version) {
		t.Helper()
		if err := s.PublishTileIndex(t.Context(), log.Log, tiles, signer); err != nil {
			t.Fatal(err)
		}
	}
	item := transfer.Item{Repository: log.Repository(), Tag: sumdb.TileIndexTag(signer.KeyID())}
	want := func(when string, outcome registry.Outcome, indexes int, tiles ...int64) {
		t.Helper()
		got := newCopier(from, to, log, signer.Verifier()).Copy(t.Context(), item)
		if got.Outcome != outcome || got.Err != nil {
			t.Errorf("%s: %+v, want %v", when, got, outcome)
		}
		list, err := to.TileIndexes(t.Context(), log.Log, signer.Verifier())
		if err != nil || len(list) != indexes {
			t.Fatalf("%s: %d indexes, %v", when, len(list), err)
		}
		all := make(map[int64]module.Version)
		for _, x := range list {
			maps.Copy(all, x.Tiles())
		}
		if len(all) != len(tiles) {
			t.Errorf("%s: %v", when, all)
		}
		for _, n := range tiles {
			if _, ok := all[n]; !ok {
				t.Errorf("%s: tile %d is lost", when, n)
			}
		}
	}
	publish(from, map[int64]module.Version{1: m("example.com/a"), 2: m("example.com/b")})
	want("the first time", registry.Published, 1, 1, 2)
	want("again", registry.Exists, 1, 1, 2)
	publish(from, map[int64]module.Version{3: m("example.com/c")})
	want("with one more", registry.Published, 1, 1, 2, 3)
	publish(to, map[int64]module.Version{9: m("example.com/inside")})
	want("when the destination has one more", registry.Exists, 1, 1, 2, 3, 9)
	publish(from, map[int64]module.Version{4: m("example.com/d")})
	want("when each has one more", registry.Published, 2, 1, 2, 3, 4, 9)
	want("and again", registry.Exists, 2, 1, 2, 3, 4, 9)
	publish(from, map[int64]module.Version{5: m("example.com/e")})
	want("which takes no third index", registry.Published, 2, 1, 2, 3, 4, 5, 9)

	stranger := signtest.Signer(t, 1)
	if got := newCopier(from, to, log, stranger.Verifier()).Copy(t.Context(), item); !errors.Is(got.Err, sign.ErrUntrusted) {
		t.Errorf("signed by somebody else: %v", got.Err)
	}
}
