package proxyshim

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/module"
)

func named(misses []Miss) []string {
	var names []string
	for _, m := range misses {
		name := m.Module.String()
		if m.Query != "" {
			name += "?" + m.Query
		}
		names = append(names, name)
	}
	return names
}

// asks reads path@v1.0.0 as a request for its .info, with more behind it for that file, and path?query; a number of
// seconds lets that time pass.
func (e *env) asks(script string) {
	e.t.Helper()
	for word := range strings.FieldsSeq(script) {
		if d, err := time.ParseDuration(word); err == nil {
			e.clock.advance(d)
			continue
		}
		path, version, isVersion := strings.Cut(word, "@")
		path, query, _ := strings.Cut(path, "?")
		url := "/" + path + "/@v/" + query + ".info"
		switch {
		case isVersion && strings.HasSuffix(version, ".mod"):
			url = "/" + path + "/@v/" + version
		case isVersion:
			url = "/" + path + "/@v/" + version + ".info"
		case query == "list":
			url = "/" + path + "/@v/list"
		case query == "latest":
			url = "/" + path + "/@latest"
		}
		e.get(url)
	}
}

func TestWishesAreWhatSomebodyMayWant(t *testing.T) {
	for _, tt := range []struct {
		name   string
		asked  string
		wishes string
	}{
		{
			"of the paths that a package may be in, the longest",
			"example.org?list example.org/a?list example.org/a/b?list example.org?latest example.org/a?latest example.org/a/b?latest",
			"example.org/a/b?latest",
		},
		{"whichever is answered first", "example.org/a/b?main example.org/a?main example.org?main", "example.org/a/b?main"},
		{"a list and the latest are the same question", "example.org/a?latest 1s example.org/a/b?list", "example.org/a/b?latest"},
		{"not what was tried on the way to what is there", "example.com/lib@v1.2.3 example.com@v1.2.3", ""},
		{"different versions were named", "example.org/a@v1.0.0 example.org/a/b@v1.1.0", "example.org/a@v1.0.0 example.org/a/b@v1.1.0"},
		{"a version and a branch were named", "example.org/a@v1.0.0 example.org/a/b?main", "example.org/a@v1.0.0 example.org/a/b?main"},
		{"so were those at different times", "example.org/a@v1.0.0 3s example.org/a/b@v1.0.0", "example.org/a@v1.0.0 example.org/a/b@v1.0.0"},
		{"one that was tried once, and named once", "example.org/a/b@v1.0.0 example.org/a@v1.0.0 1m example.org/a@v1.0.0", "example.org/a@v1.0.0 example.org/a/b@v1.0.0"},
		{"what something requires was never merely tried", "example.org/a@v1.0.0 example.org/a@v1.0.0.mod example.org/a/b@v1.0.0", "example.org/a@v1.0.0 example.org/a/b@v1.0.0"},
		{"nor anything above a package of a module that is there, in another version", "github.com/o/r/lib@v1.2.3 github.com/o/r@v1.2.3", ""},
		{"not a package of what is there", "example.com/lib?latest example.com/lib/cmd/x?latest example.com/lib/cmd?latest example.com?latest", ""},
		{"… in that version", "example.com/lib/cmd/x@v1.2.3 example.com/lib/cmd@v1.2.3 example.com/lib@v1.2.3", ""},
		{"but a module within what is there", "example.com/lib/sub?latest example.com/lib?latest", "example.com/lib/sub?latest"},
		{"… or a package that it lacks", "example.com/lib/cmd?latest example.com/lib?latest", "example.com/lib/cmd?latest"},
		{"what another found below at another version takes nothing away", "example.com@v1.0.0 example.com/lib@v1.2.3", "example.com@v1.0.0"},
		{"not the next major version of what is there, as Renovate asks for it", "example.com/lib?list example.com/lib@v1.2.3 example.com/lib?latest 5s example.com/lib/v2?list", ""},
		{
			"… and pkgsite",
			"example.com/lib/cmd/x?latest example.com/lib/cmd?latest example.com/lib?latest example.com/lib@v1.2.3 example.com/lib?list example.com/lib/v2?latest",
			"",
		},
		{"the major version after the next may be known to somebody", "example.com/lib/v3?list", "example.com/lib/v3?latest"},
		{"and the next one by a version", "example.com/lib/v2?list example.com/lib/v2@v2.0.0", "example.com/lib/v2@v2.0.0"},
		{"and one of what is not there", "example.org/a/v2?list", "example.org/a/v2?latest"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			e := newEnv(t)
			e.publish(content{m: lib, program: "cmd/x"})
			e.publish(content{m: module.Version{Path: "github.com/o/r/lib", Version: lib.Version}})
			e.asks(tt.asked)
			want := strings.Fields(tt.wishes)
			if got := named(e.handler.Wishes(true)); !slices.Equal(got, want) {
				t.Errorf("wishes: %q, want %q", got, want)
			}
			// What has been judged does not change any more.
			e.asks("1h example.com/lib@v1.2.3 github.com/o/r/lib@v1.2.3 1h")
			if got := named(e.handler.Wishes(false)); !slices.Equal(got, want) {
				t.Errorf("later: wishes: %q, want %q", got, want)
			}
		})
	}
}

func TestWishesAreJudgedOnceTheBurstIsOver(t *testing.T) {
	e := newEnv(t)
	e.asks("example.org/a@v1.0.0")
	if got := e.handler.Wishes(false); len(got) > 0 {
		t.Errorf("judged too early: %+v", got)
	}
	e.asks("example.org/a/b@v1.0.0 3s")
	if got := named(e.handler.Wishes(false)); !slices.Equal(got, []string{"example.org/a/b@v1.0.0"}) {
		t.Errorf("wishes: %q", got)
	}
}

func TestWishesCountTheTimesSomebodyWished(t *testing.T) {
	e := newEnv(t)
	e.asks("example.org/a/b?main example.org/a?main 1m example.org/a?main 1m example.org/a?main 1m")
	got := e.handler.Wishes(false)
	if len(got) != 2 || got[0].Count != 2 || got[0].Last.Sub(got[0].First) != time.Minute || got[1].Count != 1 {
		t.Errorf("wishes: %+v", got)
	}
}

func TestOfAnExactClientNoVersionWasMerelyTried(t *testing.T) {
	e := newEnv(t, func(o *Options) { o.Exact = true })
	e.asks("example.org/a@v1.0.0 example.org/a/b@v1.0.0 example.org/a?list example.org/a/b?list")
	got := e.handler.Wishes(true)
	if want := []string{"example.org/a@v1.0.0", "example.org/a/b?latest", "example.org/a/b@v1.0.0"}; !slices.Equal(named(got), want) {
		t.Errorf("wishes: %q, want %q", named(got), want)
	}
	if slices.ContainsFunc(got, func(m Miss) bool { return m.Named }) {
		t.Errorf("named: %+v", got)
	}
}

func TestTooManyMissesAtOnceAreJudgedEarly(t *testing.T) {
	w, err := newWishes(false)
	check(t, err)
	now := time.Now()
	ask := func(i int) {
		w.answered(request{kind: kindInfo, module: module.Version{Path: fmt.Sprintf("example.com/m%d", i), Version: "v1.0.0"}}, true, false, now)
	}
	for i := range maxMisses {
		ask(i)
	}
	if n := len(w.known.Values()); n > 0 {
		t.Fatalf("%d wishes within a burst", n)
	}
	ask(maxMisses)
	if n := len(w.known.Values()); n != maxMisses || w.size != 1 {
		t.Errorf("%d wishes, and %d questions under way", n, w.size)
	}
}

func TestABurstLastsUntilAllOfItIsAnswered(t *testing.T) {
	e := newEnv(t)
	e.publish(content{m: lib, program: "cmd/x"})
	w, found := e.handler.wishes, request{kind: kindInfo, module: lib}
	end := w.begin(found, e.clock.Now())
	e.asks("example.com/lib/cmd/x@v1.2.3 example.com/lib/cmd@v1.2.3 1m")
	if got := named(e.handler.Wishes(false)); len(got) > 0 {
		t.Errorf("wishes before the store has answered: %q", got)
	}
	w.answered(found, false, true, e.clock.Now())
	end()
	e.asks("1m")
	if got := named(e.handler.Wishes(false)); len(got) > 0 {
		t.Errorf("a package of what is there is a wish: %q", got)
	}
}
