package proxyshim

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/mod/module"
	modsumdb "golang.org/x/mod/sumdb"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/modferry/modferry/artifact"
	"github.com/modferry/modferry/artifact/sumdb"
	"github.com/modferry/modferry/registry"
)

// The key of the checksum database in tests.
const (
	logSigner   = "PRIVATE+KEY+sums.corp.example/log+00a5d04b+AX9HwGUL2KwOG2uJXXCsI/FqUhAX3EIE6OxIS5pBLc1S"
	logVerifier = "sums.corp.example/log+00a5d04b+AWu2uqZLnNDO8EVlxeJzFYb76TZ1Q1NUpgShtbgBykqa"
	logURL      = "/sumdb/sums.corp.example/log/"
)

// testLog is a checksum database in memory.
type testLog struct {
	*sumdb.Log
	tb     testing.TB
	signer note.Signer
	salt   string // tells the filling of two forks apart
	texts  map[int64][]byte
	ids    map[module.Version]int64
	levels [][]tlog.Hash
}

func newTestLog(tb testing.TB, salt string) *testLog {
	tb.Helper()
	l := &testLog{tb: tb, salt: salt, texts: make(map[int64][]byte), ids: make(map[module.Version]int64)}
	var err error
	l.signer, err = note.NewSigner(logSigner)
	check(tb, err)
	l.Log, err = sumdb.ParseLog(logVerifier)
	check(tb, err)
	return l
}

func (l *testLog) size() int64 {
	if len(l.levels) == 0 {
		return 0
	}
	return int64(len(l.levels[0]))
}

// grow adds records of other modules until there are n.
func (l *testLog) grow(n int64) *testLog {
	for id := l.size(); id < n; id++ {
		l.append(0, tlog.RecordHash(l.text(id)))
	}
	return l
}

// add records the version c.
func (l *testLog) add(c content) int64 {
	l.tb.Helper()
	full := c
	full.modOnly = false
	m := build(l.tb, full).Manifest
	id := l.size()
	l.texts[id] = fmt.Appendf(nil, "%s %s %s\n%[1]s %[2]s/go.mod %[4]s\n", c.m.Path, c.m.Version, m.Sum, m.GoModSum)
	l.ids[c.m] = id
	l.append(0, tlog.RecordHash(l.texts[id]))
	return id
}

func (l *testLog) text(id int64) []byte {
	if text, ok := l.texts[id]; ok {
		return text
	}
	h := sha256.Sum256(fmt.Appendf(nil, "%d %s", id, l.salt))
	sum := base64.StdEncoding.EncodeToString(h[:])
	return fmt.Appendf(nil, "example.net/m v1.%d.0 h1:%s\nexample.net/m v1.%[1]d.0/go.mod h1:%[2]s\n", id, sum)
}

func (l *testLog) append(level int, h tlog.Hash) {
	if level == len(l.levels) {
		l.levels = append(l.levels, nil)
	}
	l.levels[level] = append(l.levels[level], h)
	if n := len(l.levels[level]); n%2 == 0 {
		l.append(level+1, tlog.NodeHash(l.levels[level][n-2], h))
	}
}

// ReadHashes makes the log a tlog.HashReader.
func (l *testLog) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	hashes := make([]tlog.Hash, len(indexes))
	for i, x := range indexes {
		level, n := tlog.SplitStoredHashIndex(x)
		if level >= len(l.levels) || n >= int64(len(l.levels[level])) {
			return nil, fmt.Errorf("hash %d at level %d is not in the log", n, level)
		}
		hashes[i] = l.levels[level][n]
	}
	return hashes, nil
}

func (l *testLog) tile(_ context.Context, t tlog.Tile) ([]byte, error) {
	return tlog.ReadTileData(t, l)
}

// note returns the signed head of n records.
func (l *testLog) note(n int64) []byte {
	l.tb.Helper()
	hash, err := tlog.TreeHash(n, l)
	check(l.tb, err)
	msg, err := note.Sign(&note.Note{Text: string(tlog.FormatTree(tlog.Tree{N: n, Hash: hash}))}, l.signer)
	check(l.tb, err)
	return msg
}

// snapshot builds the snapshot of all records, upon base if that is not nil.
func (l *testLog) snapshot(base *sumdb.Snapshot, earlier ...sumdb.Head) *sumdb.Snapshot {
	l.tb.Helper()
	return l.snapshotAt(l.size(), base, earlier...)
}

func (l *testLog) snapshotAt(n int64, base *sumdb.Snapshot, earlier ...sumdb.Head) *sumdb.Snapshot {
	l.tb.Helper()
	day := time.Date(2026, 11, 20, 9, 0, 0, 0, time.UTC)
	s, err := sumdb.Build(context.Background(), l.Log, l.note(n), l.tile, sumdb.BuildOptions{Base: base, Earlier: earlier, Captured: day})
	check(l.tb, err)
	return s
}

// evidence captures the evidence for a version.
func (l *testLog) evidence(s *sumdb.Snapshot, m module.Version) artifact.Evidence {
	l.tb.Helper()
	id, ok := l.ids[m]
	if !ok {
		l.tb.Fatalf("%s is not in the log", m)
	}
	record, err := sumdb.Record{ID: id, Text: l.text(id)}.Format()
	check(l.tb, err)
	captured, err := s.Capture(context.Background(), m, append(bytes.Clone(record), l.note(l.size())...), l.tile)
	check(l.tb, err)
	e := artifact.Evidence{Module: m, Record: record}
	if captured.Tile != nil {
		e.Tiles = map[string][]byte{l.TileEntry(captured.TileIndex()): captured.Tile}
	}
	return e
}

// withLog is an option of newEnv.
func withLog(l *testLog) func(*Options) { return func(o *Options) { o.SumDB = l.Log } }

// mirror publishes s and then versions with their evidence, as mirror does.
func (e *env) mirror(l *testLog, s *sumdb.Snapshot, versions ...content) {
	e.t.Helper()
	e.publishSnapshot(s)
	for _, c := range versions {
		e.publishWith(c, l.evidence(s, c.m))
	}
}

func (e *env) publishWith(c content, evidence artifact.Evidence) *artifact.Artifact {
	e.t.Helper()
	f := artifact.Files{Module: c.m, Info: c.info(), GoMod: c.gomod(), SumDB: evidence.Record, Tiles: evidence.Tiles}
	if !c.modOnly {
		f.ZipFile = c.zip(e.t)
	}
	a, err := artifact.Build(f)
	check(e.t, err)
	_, err = e.store.Publish(e.t.Context(), a, registry.PublishOptions{Signer: e.signer, Recorded: true})
	check(e.t, err)
	return a
}

func (e *env) publishSnapshot(s *sumdb.Snapshot) {
	e.t.Helper()
	img, err := s.Pack()
	check(e.t, err)
	check(e.t, e.store.PublishSnapshot(e.t.Context(), img, s.Log(), nil, e.signer))
}

// forceSnapshot makes s the latest snapshot, whatever there is.
func (e *env) forceSnapshot(s *sumdb.Snapshot) {
	e.t.Helper()
	e.publishSnapshot(s)
	img, err := s.Pack()
	check(e.t, err)
	check(e.t, e.store.PushManifest(e.t.Context(), s.Log().Repository(), img.Descriptor, img.Raw, sumdb.LatestTag))
}

// goClient is what the go command does with a checksum database: the client is the same, and so is what it keeps.
type goClient struct {
	log *sumdb.Log
	url string

	mu     sync.Mutex
	latest []byte
	cache  map[string][]byte
	asked  []string
	alarm  string
}

// client returns a client that holds the head latest, nil for a fresh one.
func (e *env) client(l *testLog, latest []byte) *goClient {
	return &goClient{log: l.Log, url: e.url, latest: latest, cache: make(map[string][]byte)}
}

// lookup verifies m, and returns its go.sum lines.
func (c *goClient) lookup(m module.Version) (string, error) {
	db := modsumdb.NewClient(c)
	var lines []string
	for _, version := range []string{m.Version, m.Version + "/go.mod"} {
		more, err := db.Lookup(m.Path, version)
		if err != nil {
			return "", err
		}
		lines = append(lines, more...)
	}
	return strings.Join(lines, "\n"), nil
}

func (c *goClient) ReadRemote(path string) ([]byte, error) {
	resp, err := http.Get(c.url + "/sumdb/" + c.log.Name() + path)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.asked = append(c.asked, path)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s: %s", path, resp.Status, body)
	}
	return body, err
}

func (c *goClient) ReadConfig(file string) ([]byte, error) {
	if file == "key" {
		return []byte(c.log.Key()), nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.latest, nil
}

func (c *goClient) WriteConfig(_ string, old, msg []byte) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !bytes.Equal(old, c.latest) {
		return modsumdb.ErrWriteConflict
	}
	c.latest = msg
	return nil
}

func (c *goClient) ReadCache(file string) ([]byte, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if data, ok := c.cache[file]; ok {
		return data, nil
	}
	return nil, errors.New("not cached")
}

func (c *goClient) WriteCache(file string, data []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.cache[file] = data
}

func (c *goClient) Log(string) {}

func (c *goClient) SecurityError(msg string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.alarm = msg
}

// askForSnapshot makes the shim look for a snapshot, which it does only once.
func (e *env) askForSnapshot() {
	e.t.Helper()
	_, err := e.handler.newest(e.t.Context(), false)
	check(e.t, err)
}
