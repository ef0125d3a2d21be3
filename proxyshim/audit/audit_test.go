package audit_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
	"golang.org/x/mod/module"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/modferry/modferry/proxyshim/audit"
	"github.com/modferry/modferry/proxyshim/events"
)

func open(t *testing.T, name string, log *bytes.Buffer) *audit.Log {
	t.Helper()
	l, err := audit.Open(name, nil, slog.New(slog.NewTextHandler(log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l
}

func read(t *testing.T, name string) string {
	t.Helper()
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func TestALineSaysWhoWasGivenWhat(t *testing.T) {
	var out bytes.Buffer
	l, err := audit.Open(audit.Stdout, &out, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	at := time.Date(2026, 5, 1, 12, 0, 0, 5e6, time.FixedZone("", 7200))
	l.Write(&events.Event{
		ID: "abc", Time: at, Duration: 250 * time.Millisecond, Client: "192.0.2.7:4711", Method: "GET", Path: "/example.com/a/@v/v1.0.0.zip",
		Kind: "zip", Module: module.Version{Path: "example.com/a", Version: "v1.0.0"}, Status: 200, Bytes: 1234, Outcome: events.Served,
		Store: "registry.example/golang", Manifest: digest.FromString("x"), Keys: []string{"sha256:key"}, Rule: "corp.example/**",
		Cached: true, Head: tlog.Tree{N: 300, Hash: tlog.Hash{1}},
	})
	l.Write(&events.Event{
		ID: "def", Time: at, Client: "192.0.2.7:4712", Method: "GET", Path: "/sumdb/x", Status: 403, Outcome: events.Refused, Reason: "unsigned",
		Err: errors.New("asking https://robot:canary@registry.example failed"),
	})
	want := `{"time":"2026-05-01T10:00:00.005Z","id":"abc","client":"192.0.2.7:4711","method":"GET","path":"/example.com/a/@v/v1.0.0.zip",` +
		`"module":"example.com/a","version":"v1.0.0","file":"zip","outcome":"served","status":200,"registry":"registry.example/golang",` +
		`"manifest":"` + digest.FromString("x").String() + `","keys":["sha256:key"],"rule":"corp.example/**",` +
		`"snapshot":{"records":300,"root":"AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="},"cached":true,"bytes":1234,"seconds":0.25}` + "\n" +
		`{"time":"2026-05-01T10:00:00.005Z","id":"def","client":"192.0.2.7:4712","method":"GET","path":"/sumdb/x","outcome":"refused","status":403,` +
		`"reason":"unsigned","error":"asking https://xxxxx@registry.example failed","cached":false,"bytes":0,"seconds":0}` + "\n"
	if out.String() != want {
		t.Errorf("got\n%swant\n%s", &out, want)
	}
}

func TestAFileThatIsMovedAwayIsBegunAnew(t *testing.T) {
	var log bytes.Buffer
	name := filepath.Join(t.TempDir(), "audit.log")
	l := open(t, name, &log)
	l.Write(&events.Event{ID: "one"})
	for i, rotate := range []func() error{
		func() error { return os.Rename(name, name+".1") },
		func() error { return os.Remove(name) },
		func() error { return os.Truncate(name, 0) }, // logrotate's copytruncate
	} {
		if err := rotate(); err != nil {
			t.Fatal(err)
		}
		l.Write(&events.Event{ID: "two"})
		if got := read(t, name); strings.Count(got, "\n") != 1 || !strings.HasPrefix(got, "{") || !strings.Contains(got, `"two"`) {
			t.Errorf("rotation %d: %q", i, got)
		}
	}
	if got := read(t, name+".1"); strings.Count(got, "\n") != 1 || !strings.Contains(got, `"one"`) {
		t.Errorf("moved away: %q", got)
	}
	fi, err := os.Stat(name)
	if err != nil || fi.Mode().Perm()&0o077 != 0 {
		t.Errorf("others may read it: %v, %v", fi.Mode(), err)
	}
}

func TestProcessesWriteWholeLinesToOneFile(t *testing.T) {
	var log bytes.Buffer
	name := filepath.Join(t.TempDir(), "audit.log")
	logs := []*audit.Log{open(t, name, &log), open(t, name, &log)}
	const each = 200
	var all sync.WaitGroup
	for _, l := range logs {
		for range 4 {
			all.Go(func() {
				for range each {
					l.Write(&events.Event{ID: "x", Path: strings.Repeat("p", 2000)})
				}
			})
		}
	}
	all.Wait()
	n := 0
	for line := range strings.Lines(read(t, name)) {
		var r map[string]any
		if err := json.Unmarshal([]byte(line), &r); err != nil {
			t.Fatalf("line %d: %v", n, err)
		}
		n++
	}
	if n != len(logs)*4*each {
		t.Errorf("%d lines", n)
	}
}

func TestALogThatTakesNoLinesIsToldOnce(t *testing.T) {
	var log bytes.Buffer
	dir := filepath.Join(t.TempDir(), "logs")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	l := open(t, filepath.Join(dir, "audit.log"), &log)
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		l.Write(&events.Event{})
	}
	if got := strings.Count(log.String(), "takes no lines"); got != 1 {
		t.Errorf("told %d times:\n%s", got, &log)
	}
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	l.Write(&events.Event{})
	if !strings.Contains(log.String(), "takes lines again") {
		t.Errorf("log:\n%s", &log)
	}
}

func TestALogThatCannotBeOpenedIsAnError(t *testing.T) {
	if _, err := audit.Open(filepath.Join(t.TempDir(), "no", "audit.log"), nil, slog.New(slog.DiscardHandler)); err == nil {
		t.Error("no error")
	}
}
