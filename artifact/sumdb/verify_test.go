package sumdb

import (
	"context"
	"errors"
	"testing"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/modferry/modferry/artifact"
)

func TestVerifyRefusesEvidenceThatIsWrong(t *testing.T) {
	l := bigLog()
	s := l.build(t, 66000, BuildOptions{Earlier: []Head{l.head(t, 1000)}})
	const id = 5000
	m := l.module(id)
	zip, mod := l.sums(id)
	good := l.capture(t, s, id)[m]
	altered := func(change func(*Evidence)) Evidence {
		e := Evidence{Record: Record{ID: id, Text: append([]byte{}, good.Record.Text...)}, Tile: append([]byte{}, good.Tile...)}
		change(&e)
		return e
	}
	for _, c := range []struct {
		name string
		e    Evidence
		want error
	}{
		{"nothing", altered(func(*Evidence) {}), nil},
		{"no tile", altered(func(e *Evidence) { e.Tile = nil }), ErrNoTile},
		{"empty tile", altered(func(e *Evidence) { e.Tile = []byte{} }), artifact.ErrCorrupt},
		{"short tile", altered(func(e *Evidence) { e.Tile = e.Tile[1:] }), artifact.ErrCorrupt},
		{"long tile", altered(func(e *Evidence) { e.Tile = append(e.Tile, 0) }), artifact.ErrCorrupt},
		{"own hash in the tile", altered(func(e *Evidence) { e.Tile[id%TileWidth*tlog.HashSize] ^= 1 }), artifact.ErrCorrupt},
		{"other hash in the tile", altered(func(e *Evidence) { e.Tile[(id+1)%TileWidth*tlog.HashSize] ^= 1 }), artifact.ErrCorrupt},
		{"text", altered(func(e *Evidence) { e.Record.Text[0] ^= 1 }), artifact.ErrCorrupt},
		{"another sum", altered(func(e *Evidence) { e.Record.Text[len(e.Record.Text)-5] ^= 1 }), artifact.ErrCorrupt},
		{"an extra line", altered(func(e *Evidence) { e.Record.Text = append(e.Record.Text, "x\n"...) }), artifact.ErrCorrupt},
		{"ID in the same tile", altered(func(e *Evidence) { e.Record.ID++ }), artifact.ErrCorrupt},
		{"ID in another tile", altered(func(e *Evidence) { e.Record.ID += TileWidth }), artifact.ErrCorrupt},
		{"ID beyond the head", altered(func(e *Evidence) { e.Record.ID = 66000 }), ErrBeyondHead},
		{"huge ID", altered(func(e *Evidence) { e.Record.ID = 1 << 62 }), ErrBeyondHead},
		{"negative ID", altered(func(e *Evidence) { e.Record.ID = -1 }), artifact.ErrCorrupt},
		{"record of another module", l.capture(t, s, id+1)[l.module(id+1)], artifact.ErrIdentity},
	} {
		err := s.Verify(m, zip, mod, c.e)
		if !errors.Is(err, c.want) || c.want == nil && err != nil {
			t.Errorf("%s altered: %v, want %v", c.name, err, c.want)
		}
	}
	if err := s.Verify(m, mod, mod, good); !errors.Is(err, ErrMismatch) {
		t.Errorf("another zip: %v, want ErrMismatch", err)
	}
	if err := s.Verify(m, zip, zip, good); !errors.Is(err, ErrMismatch) {
		t.Errorf("another go.mod: %v, want ErrMismatch", err)
	}
	if err := s.Verify(m, "", mod, good); err != nil {
		t.Errorf("go.mod only: %v", err)
	}
	if err := s.Verify(l.module(900), "", second(l.sums(900)), Evidence{Record: l.record(900)}); err != nil {
		t.Errorf("record in the frontier without a tile: %v", err)
	}
	wrongEdge := Evidence{Record: l.record(65999), Tile: make([]byte, TileSize)}
	if err := s.Verify(l.module(65999), "", second(l.sums(65999)), wrongEdge); !errors.Is(err, artifact.ErrCorrupt) {
		t.Errorf("record in the edge with a wrong tile: %v, want ErrCorrupt", err)
	}
}

func second(_, b string) string { return b }

func TestCaptureRefusesAnswersThatAreWrong(t *testing.T) {
	l, fork := bigLog(), newTestLog(t, 3000, "fork", 700)
	s := l.build(t, 2000, BuildOptions{})
	broken := errors.New("broken")
	for _, c := range []struct {
		name   string
		lookup []byte
		fetch  TileFunc
		want   error
	}{
		{"right", l.lookup(t, 1000, 1000), l.Tile, nil},
		{"a newer head in the answer", l.lookup(t, 1000, 70000), l.Tile, nil},
		{"no head in the answer", l.lookup(t, 1000, 1000)[:len(l.lookup(t, 1000, 1000))-len(l.Note(t, 1000))], l.Tile, nil},
		{"tile of a fork", l.lookup(t, 1000, 1000), fork.Tile, artifact.ErrCorrupt},
		{"record of a fork", fork.lookup(t, 1000, 1000), l.Tile, artifact.ErrCorrupt},
		{"record and tile of a fork", fork.lookup(t, 1000, 1000), fork.Tile, artifact.ErrCorrupt},
		{"another module", l.lookup(t, 1005, 1500), l.Tile, artifact.ErrIdentity},
		{"no record", []byte("not found\n"), l.Tile, artifact.ErrCorrupt},
		{"no tile", l.lookup(t, 1000, 1000), func(context.Context, tlog.Tile) ([]byte, error) { return nil, broken }, broken},
		{"short tile", l.lookup(t, 1000, 1000), func(context.Context, tlog.Tile) ([]byte, error) { return nil, nil }, artifact.ErrCorrupt},
	} {
		_, err := s.Capture(t.Context(), l.module(1000), c.lookup, c.fetch)
		if !errors.Is(err, c.want) || c.want == nil && err != nil {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
	}
	if _, err := s.Capture(t.Context(), l.module(2000), l.lookup(t, 2000, 2001), l.Tile); !errors.Is(err, ErrBeyondHead) {
		t.Errorf("record 2000 of 2000: %v, want ErrBeyondHead", err)
	}
	if e, err := s.Capture(t.Context(), l.module(1999), l.lookup(t, 1999, 2000), nil); err != nil || e.Tile != nil {
		t.Errorf("record in the edge: tile of %d bytes, %v; want none", len(e.Tile), err)
	}
}

func TestEvidenceDoesNotDependOnTheHead(t *testing.T) {
	l := bigLog()
	var first Evidence
	for i, s := range l.chain(t, 1024, 1025, 5000, 131072, 132000) {
		e := l.capture(t, s, 1000)[l.module(1000)]
		if i == 0 {
			first = e
		}
		if string(e.Record.Text) != string(first.Record.Text) || string(e.Tile) != string(first.Tile) || e.Record.ID != 1000 {
			t.Errorf("evidence captured at %d records differs", s.Head().N)
		}
	}
}

func TestParseEvidenceFindsItsTile(t *testing.T) {
	l := bigLog()
	s := l.build(t, 66000, BuildOptions{})
	want := l.capture(t, s, 5000)[l.module(5000)]
	record, err := want.Record.Format()
	if err != nil {
		t.Fatal(err)
	}
	tiles := map[string][]byte{
		l.TileEntry(5000 >> TileHeight):          want.Tile,
		l.TileEntry(3):                           {1, 2, 3},
		"sumdb/other.example/tile/8/0/019":       nil,
		"sumdb/sums.corp.example/log/tile/8/1/0": nil,
	}
	e, err := ParseEvidence(l.Log, record, tiles)
	if err != nil || string(e.Tile) != string(want.Tile) || e.Record.ID != 5000 {
		t.Errorf("record %d, tile of %d bytes, %v", e.Record.ID, len(e.Tile), err)
	}
	if e, err := ParseEvidence(l.Log, record, nil); err != nil || e.Tile != nil {
		t.Errorf("without tiles: tile of %d bytes, %v", len(e.Tile), err)
	}
	tiles[l.TileEntry(19)] = want.Tile[:100]
	if _, err := ParseEvidence(l.Log, record, tiles); !errors.Is(err, artifact.ErrCorrupt) {
		t.Errorf("short tile: %v, want ErrCorrupt", err)
	}
	if _, err := ParseEvidence(l.Log, record[1:], tiles); !errors.Is(err, artifact.ErrCorrupt) {
		t.Errorf("malformed record: %v, want ErrCorrupt", err)
	}
}
