package load

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/mod/module"
)

// asks has what a session of all kinds asks for.
var asks = Session{Project: "p", Command: "c", Parallel: 3, Idle: 0.1, Requests: map[string]int{
	"supported": 1, "list": 1, "latest": 1, "mod": 4, "info": 2, "lookup": 1, "tile": 2, "zip": 2, Absent: 1,
}}

// lookupAnswer is one of a log of 300 records, whose record 1 is in tile 0.
const lookupAnswer = "1\nexample.com/m v1.0.0 h1:x\n\ngo.sum database tree\n300\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n\n— name x\n"

// shim answers as one does, but for the paths with broken in them.
func shim(t *testing.T, broken string) (p *Player, asked func() []string) {
	t.Helper()
	var mu sync.Mutex
	var paths []string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		paths = append(paths, r.URL.Path)
		mu.Unlock()
		switch {
		case broken != "" && strings.Contains(r.URL.Path, broken):
			w.WriteHeader(http.StatusBadGateway)
		case strings.Contains(r.URL.Path, "v0.0."):
			w.WriteHeader(http.StatusNotFound)
		case strings.Contains(r.URL.Path, "/lookup/"):
			_, _ = w.Write([]byte(lookupAnswer))
		}
	}))
	t.Cleanup(server.Close)
	p = &Player{Shims: []string{server.URL}, Log: "log", Version: func(_, k int) Target {
		return Target{module.Version{Path: "example.com/m", Version: "v1." + string(rune('0'+k)) + ".0"}, k%2 == 1}
	}}
	return p, func() []string { mu.Lock(); defer mu.Unlock(); return paths }
}

func TestASessionAsksForWhatWasRecorded(t *testing.T) {
	p, asked := shim(t, "")
	r := p.Closed(t.Context(), []Job{{asks, 0}}, 1)
	if r.Sessions() != 1 || len(r.Errors()) > 0 || int(r.Count("")) != asks.Total() || len(asked()) != asks.Total() {
		t.Errorf("%d sessions, %d answers, %v; asked for %v", r.Sessions(), r.Count(""), r.Errors(), asked())
	}
	for _, path := range asked() {
		if strings.HasSuffix(path, "v1.1.0.zip") {
			t.Error("the zip of a mod-only version is asked for")
		}
	}
	for _, want := range []string{"/sumdb/log/tile/8/0/000", "/sumdb/log/tile/8/1/000.p/1"} {
		if !strings.Contains(strings.Join(asked(), "\n"), want) {
			t.Errorf("%s is not asked for, but %v", want, asked())
		}
	}
}

func TestAnotherAnswerThanExpectedIsAnError(t *testing.T) {
	for _, broken := range []string{"/list", "@latest", ".mod", ".info", ".zip", "v0.0.", "/tile/", "/lookup/"} {
		p, _ := shim(t, broken)
		r := p.Open(t.Context(), []Job{{asks, 0}, {asks, 1}}, time.Millisecond)
		if r.Sessions() != 0 || len(r.Errors()) == 0 || !strings.Contains(r.Errors()[0].Error(), "502") {
			t.Errorf("%s: %d sessions, %v", broken, r.Sessions(), r.Errors())
		}
	}
}

func TestAnAnswerToALookupThatIsNone(t *testing.T) {
	for _, answer := range []string{"", "x", "1\n", "x\nr\n\n" + lookupAnswer, "1\nr\n\nno tree", strings.Replace(lookupAnswer, "300", "-1", 1)} {
		if err := NewProof("log").Add(answer); err == nil {
			t.Errorf("%q: no error", answer)
		}
	}
}

func FuzzLookup(f *testing.F) {
	f.Add(lookupAnswer)
	f.Add(strings.Replace(lookupAnswer, "1\n", "9223372036854775807\n", 1))
	f.Add(strings.Replace(lookupAnswer, "1\n", "-5\n", 1))
	f.Fuzz(func(t *testing.T, answer string) {
		p := NewProof("log")
		if p.Add(answer) == nil && len(p.Paths(100)) > 9 {
			t.Errorf("%q has %v", answer, p.Paths(100))
		}
	})
}

func FuzzSessions(f *testing.F) {
	f.Add(day)
	f.Fuzz(func(t *testing.T, table string) { _, _ = readSessions(table) }) // it does not panic
}
