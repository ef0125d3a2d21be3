package sumdb

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"golang.org/x/mod/module"
	modsumdb "golang.org/x/mod/sumdb"
	"golang.org/x/mod/sumdb/tlog"
)

// A shim answers the requests of a client from a snapshot and from the evidence
// of module versions, as a real one does.
type shim struct {
	snapshot *Snapshot
	evidence map[module.Version]Evidence
	tiles    map[int64][]byte // from the evidence
	asked    []string
	mu       sync.Mutex
}

func newShim(s *Snapshot, evidence map[module.Version]Evidence) *shim {
	h := &shim{snapshot: s, evidence: evidence, tiles: make(map[int64][]byte)}
	for _, e := range evidence {
		if e.Tile != nil {
			h.tiles[e.TileIndex()] = e.Tile
		}
	}
	return h
}

func (h *shim) answer(path string) ([]byte, error) {
	h.mu.Lock()
	h.asked = append(h.asked, path)
	h.mu.Unlock()
	if strings.HasPrefix(path, "lookup/") {
		m, err := ParseLookupPath(path)
		if err != nil {
			return nil, err
		}
		e, ok := h.evidence[m]
		if !ok {
			return nil, fmt.Errorf("no record of %s", m)
		}
		return h.snapshot.Lookup(e)
	}
	t, err := tlog.ParseTilePath(path)
	if err != nil {
		return nil, err
	}
	data, err := h.snapshot.Tile(t)
	if errors.Is(err, ErrNoTile) && h.tiles[t.N] != nil {
		return h.snapshot.TileFrom(t, h.tiles[t.N])
	}
	return data, err
}

// A client is the environment of a sumdb.Client: what the go command keeps on disk, and the shim it asks.
type client struct {
	log    *Log
	server *shim

	mu     sync.Mutex
	latest []byte
	cache  map[string][]byte
	alarm  string
}

func newClient(l *Log, s *shim, latest []byte) *client {
	return &client{log: l, server: s, latest: latest, cache: make(map[string][]byte)}
}

// lookup does what the go command does to verify m: zip and go.mod.
func (c *client) lookup(m module.Version) (lines []string, err error) {
	db := modsumdb.NewClient(c)
	for _, version := range []string{m.Version, m.Version + "/go.mod"} {
		more, err := db.Lookup(m.Path, version)
		if err != nil {
			return nil, err
		}
		lines = append(lines, more...)
	}
	return lines, nil
}

func (c *client) ReadRemote(path string) ([]byte, error) {
	return c.server.answer(strings.TrimPrefix(path, "/"))
}

func (c *client) ReadConfig(file string) ([]byte, error) {
	if file == "key" {
		return []byte(c.log.Key()), nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.latest, nil
}

func (c *client) WriteConfig(_ string, old, msg []byte) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if string(old) != string(c.latest) {
		return modsumdb.ErrWriteConflict
	}
	c.latest = msg
	return nil
}

func (c *client) ReadCache(file string) ([]byte, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	data, ok := c.cache[file]
	if !ok {
		return nil, errors.New("not cached")
	}
	return data, nil
}

func (c *client) WriteCache(file string, data []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.cache[file] = data
}

func (c *client) Log(string) {}

func (c *client) SecurityError(msg string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.alarm = msg
}

// capture collects the evidence of records at a snapshot, as mirror does, and verifies it as the shim does.
func (l *testLog) capture(tb testing.TB, s *Snapshot, ids ...int64) map[module.Version]Evidence {
	tb.Helper()
	evidence := make(map[module.Version]Evidence)
	for _, id := range ids {
		m := l.module(id)
		e, err := s.Capture(tb.Context(), m, l.lookup(tb, id, s.Head().N), l.Tile)
		if err != nil {
			tb.Fatalf("capture of record %d at %d records: %v", id, s.Head().N, err)
		}
		zip, mod := l.sums(id)
		if err := s.Verify(m, zip, mod, e); err != nil {
			tb.Fatalf("record %d just captured at %d records: %v", id, s.Head().N, err)
		}
		evidence[m] = e
	}
	return evidence
}

// The sizes at which the log was published, with all the multiples and neighbours of tile widths.
var published = []int64{
	1, 2, 3, 127, 128, 129, 255, 256, 257, 300, 511, 512, 513, 1000, 1024, 5000, 20000, 40000,
	65279, 65280, 65281, 65535, 65536, 65537, 65700, 65792, 66000, 100000, 131071, 131072, 131073, 131328, 132000,
}

func TestClientWithAnyEarlierHeadMovesOn(t *testing.T) {
	l := bigLog()
	snapshots := l.chain(t, published...)
	for i, s := range snapshots {
		n := s.Head().N
		ids := []int64{0, n / 2, n - 1}
		server := newShim(s, l.capture(t, s, ids...))
		holds := [][]byte{nil} // a fresh client
		for _, earlier := range snapshots[:i+1] {
			holds = append(holds, earlier.Head().Note)
		}
		for _, latest := range holds {
			c := newClient(l.Log, server, latest)
			for _, id := range ids {
				if _, err := c.lookup(l.module(id)); err != nil {
					t.Fatalf("record %d of %d, client with %.40q: %v\n%s", id, n, latest, err, c.alarm)
				}
			}
			if string(c.latest) != string(s.Head().Note) {
				t.Errorf("client with %.40q ends at %.40q, not at the head of %d records", latest, c.latest, n)
			}
		}
	}
}

func TestClientGetsTheLinesOfTheRecord(t *testing.T) {
	l := bigLog()
	s := l.build(t, 70000, BuildOptions{})
	for id := range int64(10) {
		m := l.module(id)
		lines, err := newClient(l.Log, newShim(s, l.capture(t, s, id)), nil).lookup(m)
		if err != nil {
			t.Fatal(err)
		}
		if got, want := strings.Join(lines, "\n")+"\n", string(l.record(id).Text); got != want {
			t.Errorf("go.sum lines of %s:\n%swant:\n%s", m, got, want)
		}
	}
}

func TestRecordCapturedInTheEdgeStaysProvable(t *testing.T) {
	l := bigLog()
	for _, n := range []int64{1, 100, 257, 65537, 131073} {
		first := l.build(t, n, BuildOptions{})
		evidence := l.capture(t, first, n-1)
		if e := evidence[l.module(n-1)]; e.Tile != nil {
			t.Errorf("record %d of %d came with a tile that was not complete", n-1, n)
		}
		for _, later := range l.chain(t, n, n+1, n+300, n+600)[1:] {
			zip, mod := l.sums(n - 1)
			if err := later.Verify(l.module(n-1), zip, mod, evidence[l.module(n-1)]); err != nil {
				t.Errorf("at %d records: %v", later.Head().N, err)
			}
			if _, err := newClient(l.Log, newShim(later, evidence), first.Head().Note).lookup(l.module(n - 1)); err != nil {
				t.Errorf("at %d records: %v", later.Head().N, err)
			}
		}
	}
}

func TestEvidenceCapturedLaterFitsAnEarlierSnapshot(t *testing.T) {
	l := bigLog()
	later := l.build(t, 1000, BuildOptions{})
	evidence := l.capture(t, later, 300) // with its full tile
	earlier := l.build(t, 301, BuildOptions{})
	if _, err := newClient(l.Log, newShim(earlier, evidence), nil).lookup(l.module(300)); err != nil {
		t.Error(err)
	}
	zip, mod := l.sums(300)
	if err := earlier.Verify(l.module(300), zip, mod, evidence[l.module(300)]); err != nil {
		t.Error(err)
	}
	before := l.build(t, 300, BuildOptions{})
	if err := before.Verify(l.module(300), zip, mod, evidence[l.module(300)]); !errors.Is(err, ErrBeyondHead) {
		t.Errorf("record with ID 300 in a log of 300: %v, want ErrBeyondHead", err)
	}
	if _, err := before.Lookup(evidence[l.module(300)]); !errors.Is(err, ErrBeyondHead) {
		t.Errorf("lookup of it: %v, want ErrBeyondHead", err)
	}
}

func TestClientWithANewerHeadFails(t *testing.T) {
	l := bigLog()
	s := l.build(t, 1000, BuildOptions{})
	for _, newer := range []int64{1001, 1024, 2000, 70000} {
		server := newShim(s, l.capture(t, s, 5))
		c := newClient(l.Log, server, l.Note(t, newer))
		_, err := c.lookup(l.module(5))
		if err == nil || !strings.Contains(err.Error(), "newer than the checksum snapshot") {
			t.Errorf("client with a head of %d records accepted one of 1000", newer)
		}
		if c.alarm != "" {
			t.Errorf("client with a head of %d records raised an alarm: %s", newer, c.alarm)
		}
		if got := s.Compare(l.head(t, newer)); got != Newer {
			t.Errorf("head of %d records is %v, want newer", newer, got)
		}
	}
}

func TestClientSeesAFork(t *testing.T) {
	ours, theirs := bigLog(), newTestLog(t, 2000, "fork", 700)
	s := theirs.build(t, 900, BuildOptions{})
	c := newClient(ours.Log, newShim(s, theirs.capture(t, s, 5)), nil)
	if _, err := c.lookup(theirs.module(5)); err != nil {
		t.Fatal(err)
	}
	s = ours.build(t, 1100, BuildOptions{Earlier: []Head{ours.head(t, 900)}})
	c.server = newShim(s, ours.capture(t, s, 4))
	if _, err := c.lookup(ours.module(4)); err == nil || !strings.Contains(c.alarm, "SECURITY ERROR") {
		t.Errorf("client with the head of a fork: %v, alarm %q", err, c.alarm)
	}
}
