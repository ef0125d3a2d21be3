package sumdb

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/modferry/modferry/artifact"
	"github.com/modferry/modferry/artifact/sumdb/sumdbtest"
)

func TestEveryPairOfHeadsIsConsistent(t *testing.T) {
	l := bigLog()
	snapshots := l.chain(t, published...)
	for i, s := range snapshots {
		for j, other := range snapshots {
			want := Older
			switch {
			case j == i:
				want = Equal
			case j > i:
				want = Newer
			}
			if got := s.Compare(other.Head()); got != want {
				t.Errorf("head of %d records is %v to the snapshot of %d, want %v", other.Head().N, got, s.Head().N, want)
			}
		}
		if n := len(s.Earlier()); n != i {
			t.Errorf("snapshot of %d records knows %d earlier heads, want %d", s.Head().N, n, i)
		}
	}
}

func TestSnapshotDoesNotDependOnHowItWasBuilt(t *testing.T) {
	l := bigLog()
	var heads []Head
	var base *Snapshot
	for _, n := range published {
		base = l.build(t, n, BuildOptions{Base: base})
		fresh := l.build(t, n, BuildOptions{Earlier: heads})
		if !sameSnapshot(t, base, fresh) {
			t.Fatalf("the snapshot of %d records differs when built from nothing", n)
		}
		heads = append([]Head{base.Head()}, heads...) // newest first, on purpose
	}
}

func TestTilesAreThoseOfTheLog(t *testing.T) {
	l := bigLog()
	snapshots := l.chain(t, published...)
	for _, s := range snapshots {
		n := s.Head().N
		for _, tile := range tlog.NewTiles(TileHeight, max(0, n-3000), n) {
			for w := tile.W; w > 0; w -= 1 + w/3 {
				tile.W = w
				want, err := l.Tile(t.Context(), tile)
				if err != nil {
					t.Fatal(err)
				}
				got, err := s.Tile(tile)
				if tile.L == 0 && errors.Is(err, ErrNoTile) {
					full, fullErr := l.Tile(t.Context(), fullTile(tile.N))
					if fullErr != nil {
						t.Fatal(fullErr)
					}
					got, err = s.TileFrom(tile, full)
				}
				if err != nil || string(got) != string(want) {
					t.Fatalf("%s at %d records: %v", tile.Path(), n, err)
				}
			}
		}
	}
}

func TestTilesBeyondTheHeadAreNotThere(t *testing.T) {
	l := bigLog()
	s := l.build(t, 65536+256+7, BuildOptions{})
	for path, want := range map[string]error{
		"tile/8/0/257.p/7":                 nil,
		"tile/8/0/257.p/8":                 ErrBeyondHead,
		"tile/8/0/257":                     ErrBeyondHead,
		"tile/8/0/258.p/1":                 ErrBeyondHead,
		"tile/8/0/256":                     ErrNoTile,
		"tile/8/0/x999/x999/x999/x999/999": ErrBeyondHead,
		"tile/8/1/000":                     nil,
		"tile/8/1/001.p/1":                 nil,
		"tile/8/1/001.p/2":                 ErrBeyondHead,
		"tile/8/1/002.p/1":                 ErrBeyondHead,
		"tile/8/2/000.p/1":                 nil,
		"tile/8/2/000.p/2":                 ErrBeyondHead,
		"tile/8/2/000":                     ErrBeyondHead,
		"tile/8/3/000.p/1":                 ErrBeyondHead,
		"tile/8/9223372036854775807/000":   ErrBeyondHead,
		"tile/8/data/000":                  ErrBadTile,
		"tile/9/0/000":                     ErrBadTile,
		"tile/1/0/000":                     ErrBadTile,
	} {
		tile, err := tlog.ParseTilePath(path)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.Tile(tile); !errors.Is(err, want) || err != nil && want == nil {
			t.Errorf("%s: %v, want %v", path, err, want)
		}
	}
	for _, tile := range []tlog.Tile{{H: 8, W: 0}, {H: 8, W: 257}, {H: 8, N: -1, W: 1}, {H: 8, L: -1, W: 1}, {H: -1}} {
		if _, err := s.Tile(tile); !errors.Is(err, ErrBadTile) {
			t.Errorf("%+v: %v, want ErrBadTile", tile, err)
		}
	}
}

func TestBuildFetchesOnlyWhatIsNew(t *testing.T) {
	l := bigLog()
	base := l.build(t, 131072+300, BuildOptions{})
	var requests atomic.Int64
	fetch := func(ctx context.Context, tile tlog.Tile) ([]byte, error) {
		requests.Add(1)
		return l.Tile(ctx, tile)
	}
	s, err := Build(t.Context(), l.Log, l.Note(t, 131072+900), fetch, BuildOptions{Base: base})
	if err != nil {
		t.Fatal(err)
	}
	// Edges at levels 0, 1 and 2, and the tile that the base ended in.
	if n := requests.Load(); n > 4 {
		t.Errorf("%d tiles fetched, want 4", n)
	}
	again, err := Build(t.Context(), l.Log, s.Head().Note, nil, BuildOptions{Base: s, Earlier: []Head{base.Head(), l.head(t, 10)}})
	if err != nil || again != s {
		t.Errorf("building at the same head again: %v, %v; want the base itself", again, err)
	}
}

func TestBuildIsParallelWithinBoundsAndReportsProgress(t *testing.T) {
	l := bigLog()
	var running, most atomic.Int64
	var all sync.WaitGroup
	all.Add(2) // two fetches must meet
	var met atomic.Int64
	fetch := func(ctx context.Context, tile tlog.Tile) ([]byte, error) {
		for now := running.Add(1); ; {
			if old := most.Load(); now <= old || most.CompareAndSwap(old, now) {
				break
			}
		}
		defer running.Add(-1)
		if met.Add(1) <= 2 {
			all.Done()
			all.Wait()
		}
		return l.Tile(ctx, tile)
	}
	last, total := 0, 0
	progress := func(done, of int) {
		if done != last+1 || done > of {
			t.Errorf("progress %d of %d after %d", done, of, last)
		}
		last, total = done, of
	}
	earlier := make([]Head, 30) // each ends in a tile of its own
	for i := range earlier {
		earlier[i] = l.head(t, int64(i)*1000+1)
	}
	if _, err := Build(t.Context(), l.Log, l.Note(t, 132000), fetch, BuildOptions{Earlier: earlier, Progress: progress}); err != nil {
		t.Fatal(err)
	}
	if last != total || total != 34 {
		t.Errorf("progress ended at %d of %d, want 34 of 34", last, total)
	}
	if n := most.Load(); n > maxJobs {
		t.Errorf("%d fetches at the same time, want at most %d", n, maxJobs)
	}
}

func TestBuildTakesFullTileWherePartialIsGone(t *testing.T) {
	l := bigLog()
	fetch := func(ctx context.Context, tile tlog.Tile) ([]byte, error) {
		if tile.W < TileWidth && tile.N<<TileHeight+TileWidth <= 131072>>(TileHeight*tile.L) {
			return nil, errors.New("not found")
		}
		return l.Tile(ctx, tile)
	}
	if _, err := Build(t.Context(), l.Log, l.Note(t, 1000), fetch, BuildOptions{}); err != nil {
		t.Error(err)
	}
}

func TestInterleavedMirrors(t *testing.T) {
	l := bigLog()
	base := l.build(t, 500, BuildOptions{})
	one := l.build(t, 1000, BuildOptions{Base: base})
	two := l.build(t, 2000, BuildOptions{Base: base}) // knows nothing of one
	if got := two.Compare(one.Head()); got != Unproven {
		t.Errorf("a head published beside the snapshot is %v, want unproven", got)
	}
	next := l.build(t, 3000, BuildOptions{Base: two, Earlier: []Head{one.Head(), base.Head()}})
	for _, s := range []*Snapshot{base, one, two} {
		if got := next.Compare(s.Head()); got != Older {
			t.Errorf("head of %d records is %v, want older", s.Head().N, got)
		}
		c := newClient(l.Log, newShim(next, l.capture(t, next, 7)), s.Head().Note)
		if _, err := c.lookup(l.module(7)); err != nil {
			t.Errorf("client with the head of %d records: %v", s.Head().N, err)
		}
	}
}

func TestOldestHeadsAreLeftOut(t *testing.T) {
	l := bigLog()
	heads := make([]Head, MaxEarlier+10)
	for i := range heads {
		heads[i] = l.head(t, int64(i)*31+1)
	}
	s := l.build(t, 131072, BuildOptions{Earlier: heads, Captured: time.Date(2026, 11, 20, 23, 59, 0, 0, time.UTC)})
	if e := s.Earlier(); len(e) != MaxEarlier || e[0].N != heads[10].N {
		t.Errorf("%d earlier heads from %d records on, want the newest %d", len(e), e[0].N, MaxEarlier)
	}
	read, err := Read(t.Context(), l.Log, store(t, s).manifest, store(t, s).read)
	if err != nil || !sameSnapshot(t, s, read) {
		t.Errorf("the largest number of heads does not read back: %v", err)
	}
}

func TestBuildRefusesALogThatRewritesHistory(t *testing.T) {
	l, fork := bigLog(), newTestLog(t, 70000, "fork", 700)
	sizes := []int64{300, 700, 701, 900, 1000, 65536, 69000}
	for _, old := range sizes {
		for _, now := range sizes {
			want := ErrForked
			switch {
			case old <= 700 && now > old:
				want = nil // the common beginning
			case now < old && now <= 700:
				want = ErrShrunk
			case now == old && now <= 700:
				want = nil
			case now < old:
				want = ErrShrunk // nothing shows the fork: no tile was kept
				if l.build(t, old, BuildOptions{}).Compare(fork.head(t, now)) == Forked {
					want = ErrForked
				}
			}
			base := l.build(t, old, BuildOptions{})
			_, err := Build(t.Context(), l.Log, fork.Note(t, now), fork.Tile, BuildOptions{Base: base})
			var history *HistoryError
			if !errors.Is(err, want) || want == nil && err != nil || want != nil && !errors.As(err, &history) {
				t.Errorf("fork of %d records upon %d: %v, want %v", now, old, err, want)
			}
			_, err = Build(t.Context(), l.Log, fork.Note(t, now), fork.Tile, BuildOptions{Earlier: []Head{base.Head()}})
			if want == nil && err != nil || want != nil && !errors.As(err, &history) {
				t.Errorf("fork of %d records after a head of %d: %v, want %v", now, old, err, want)
			}
		}
	}
}

func TestBuildRefusesHeadsAndTilesThatAreWrong(t *testing.T) {
	l := bigLog()
	ctx := t.Context()
	private, _, err := note.GenerateKey(nil, l.Name())
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		note []byte
		want error
	}{
		"another key":    {l.SignedBy(t, private, 1000), ErrSignature},
		"no signature":   {[]byte("go.sum database tree\n1\n"), ErrSignature},
		"empty":          {nil, ErrSignature},
		"too long":       {make([]byte, MaxNote+1), artifact.ErrLimit},
		"not a tree":     {sumdbtest.Sign(t, "go.sum database tree v2\n1\n"), artifact.ErrCorrupt},
		"empty log":      {l.Note(t, 0), artifact.ErrCorrupt},
		"too many":       {sumdbtest.Sign(t, string(tlog.FormatTree(tlog.Tree{N: MaxRecords + 1}))), artifact.ErrLimit},
		"wrong root":     {sumdbtest.Sign(t, string(tlog.FormatTree(tlog.Tree{N: 1000}))), artifact.ErrCorrupt},
		"altered number": {append([]byte("go.sum database tree\n2"), l.Note(t, 1000)[22:]...), ErrSignature},
	} {
		if _, err := Build(ctx, l.Log, c.note, l.Tile, BuildOptions{}); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
	earlier := []Head{l.head(t, 300), l.head(t, 66000)}
	base := l.build(t, 66000, BuildOptions{})
	for _, o := range []BuildOptions{{}, {Earlier: earlier}, {Base: base}, {Base: base, Earlier: earlier}} {
		checkWrongTiles(t, l, o)
	}
}

// checkWrongTiles has each tile that a build fetches altered, and wants an error each time.
func checkWrongTiles(t *testing.T, l *testLog, o BuildOptions) {
	t.Helper()
	var mu sync.Mutex
	asked := make(map[tlog.Tile]bool)
	run := func(alter tlog.Tile, how func([]byte) ([]byte, error)) error {
		_, err := Build(t.Context(), l.Log, l.Note(t, 132000), func(ctx context.Context, tile tlog.Tile) ([]byte, error) {
			data, err := l.Tile(ctx, tile)
			if tile == alter {
				return how(data)
			}
			if how == nil {
				mu.Lock()
				defer mu.Unlock()
				asked[tile] = true
			}
			return data, err
		}, o)
		return err
	}
	if err := run(tlog.Tile{}, nil); err != nil {
		t.Fatal(err)
	}
	broken := errors.New("broken")
	for tile := range asked {
		for name, c := range map[string]struct {
			how  func([]byte) ([]byte, error)
			want error
		}{
			"first byte": {func(b []byte) ([]byte, error) { b[0] ^= 1; return b, nil }, artifact.ErrCorrupt},
			"last byte":  {func(b []byte) ([]byte, error) { b[len(b)-1] ^= 1; return b, nil }, artifact.ErrCorrupt},
			"short":      {func(b []byte) ([]byte, error) { return b[1:], nil }, artifact.ErrCorrupt},
			"long":       {func(b []byte) ([]byte, error) { return append(b, 0), nil }, artifact.ErrCorrupt},
			"nothing":    {func([]byte) ([]byte, error) { return nil, nil }, artifact.ErrCorrupt},
			"failure":    {func([]byte) ([]byte, error) { return nil, broken }, broken},
		} {
			if err := run(tile, c.how); !errors.Is(err, c.want) {
				t.Errorf("%s altered (%s): %v, want %v", tile.Path(), name, err, c.want)
			}
		}
	}
}

func TestBuildEndsWhenItIsCancelled(t *testing.T) {
	l := bigLog()
	ctx, cancel := context.WithCancel(t.Context())
	fetch := func(ctx context.Context, tile tlog.Tile) ([]byte, error) {
		cancel()
		return nil, ctx.Err()
	}
	if _, err := Build(ctx, l.Log, l.Note(t, 132000), fetch, BuildOptions{}); !errors.Is(err, context.Canceled) {
		t.Errorf("%v, want context.Canceled", err)
	}
}
