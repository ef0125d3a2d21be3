package proxyshim

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/module"

	"github.com/modferry/modferry/artifact"
	"github.com/modferry/modferry/artifact/sign"
)

const (
	libCommit   = "0123456789abcdef0123456789abcdef01234567"
	otherCommit = "0123456fffffffffffffffffffffffffffffffff"
	mainURL     = "/example.com/lib/@v/main.info"
)

// record records what a name of example.com/lib means.
func (e *env) record(name, version string) { e.t.Helper(); e.recordAs(name, version, e.signer) }

func (e *env) recordAs(name, version string, signer *sign.Signer) {
	e.t.Helper()
	check(e.t, e.store.PublishRevision(e.t.Context(), artifact.Revision{Path: lib.Path, Name: name, Version: version}, signer))
}

// wantMeaning checks which version answers a revision; "" is none.
func (e *env) wantMeaning(revision, version string) {
	e.t.Helper()
	url := "/example.com/lib/@v/" + revision + ".info"
	if version == "" {
		e.want(url, http.StatusNotFound, "not found: revision "+revision+" of example.com/lib is not known in ")
		return
	}
	e.want(url, http.StatusOK, `{"Version":"`+version+`"`)
}

func TestCommitsAreMatchedWithWhatAListingTells(t *testing.T) {
	l := &listing{
		Versions: []string{
			oldPseudo, newPseudo, "v1.0.0", "v2.0.0+incompatible", "v0.0.0-20210101000000-0123456fffff", "v0.0.0-20210101000000-aaaaaaaaaaaa",
			"v0.0.0-20220101000000-eeeeeeeeeeee", "v1.2.4-0.20220101000000-eeeeeeeeeeee", "v1.2.3-0.20220101000000-eeeeeeeeeeee",
		},
		Revisions: []string{
			"main", "0123456", "ba98765432100000000000000000000000000000", "ba98765432aa",
			strings.Repeat("c", 40), strings.Repeat("c", 64), strings.Repeat("a", 9) + strings.Repeat("b", 31), strings.Repeat("C", 40),
		},
	}
	for revision, want := range map[string]commitMatch{
		"ba98765":                 {hash: l.Revisions[2]}, // the pseudo-version is of the same commit
		"ba9876543210":            {hash: l.Revisions[2]},
		l.Revisions[2]:            {hash: l.Revisions[2]},
		"ba9876543210f":           {version: newPseudo}, // as far as can be told from 12 digits
		"0123456":                 {ambiguous: true},    // two pseudo-versions
		"01234567":                {version: oldPseudo},
		"ccccccc":                 {ambiguous: true}, // two hashes
		strings.Repeat("c", 41):   {hash: l.Revisions[5]},
		"aaaaaaaaa":               {ambiguous: true}, // a hash, and a pseudo-version of another commit
		"aaaaaaaaaa":              {version: "v0.0.0-20210101000000-aaaaaaaaaaaa"},
		"aaaaaaaaab":              {hash: l.Revisions[6]},
		"eeeeeee":                 {version: "v1.2.4-0.20220101000000-eeeeeeeeeeee"}, // the highest of the same commit
		"ba9876":                  {},                                                // too short
		"CCCCCCC":                 {},                                                // git writes lower case
		"main":                    {},
		"mainmain":                {},
		"":                        {},
		strings.Repeat("0", 7000): {},
	} {
		if got := l.matchCommit(revision); got != want {
			t.Errorf("matchCommit(%.80q) = %+v; want %+v", revision, got, want)
		}
	}
}

func TestRecordedRevisionsAreServed(t *testing.T) {
	e := newEnv(t)
	e.publish(content{m: lib})
	e.publish(content{m: module.Version{Path: lib.Path, Version: "v1.3.0"}})
	e.publish(content{m: module.Version{Path: lib.Path, Version: "v2.0.0+incompatible"}})
	e.publish(content{m: module.Version{Path: lib.Path, Version: oldPseudo}, origin: "0123456789ab" + strings.Repeat("9", 28)})
	for name, version := range map[string]string{
		"main": "v1.3.0", "Main": "v1.2.3", "v1.2": "v1.2.3", "v1.2.3+meta": "v1.2.3", "dead": "v1.2.3",
		libCommit: "v1.2.3", strings.Repeat("b", 64): "v1.3.0",
	} {
		e.record(name, version)
	}
	for revision, version := range map[string]string{
		"main":             "v1.3.0",
		"!main":            "v1.2.3", // as the go command escapes Main
		"v1.2":             "v1.2.3",
		"v1.2.3+meta":      "v1.2.3",
		"v2.0.0":           "v2.0.0+incompatible",
		libCommit:          "v1.2.3",
		libCommit[:12]:     "v1.2.3", // not the pseudo-version with these 12 digits
		libCommit[:7]:      "v1.2.3",
		libCommit[:13]:     "v1.2.3",
		"bbbbbbbbbbbb":     "v1.3.0",
		libCommit[:6]:      "",
		"0123456789ab9999": oldPseudo,
		"0123456789ab999a": "",
		"dead":             "v1.2.3",
		"mai":              "",
		"v3":               "",
		"v1.2.4+meta":      "",
	} {
		e.wantMeaning(revision, version)
	}
	e.want("/example.com/lib/@v/main.mod", http.StatusBadRequest, "no canonical version")
	e.want("/example.com/lib/@v/list", http.StatusOK, "v1.2.3\nv1.3.0\nv2.0.0+incompatible\n")
}

func TestCommitOfSeveralPseudoVersionsIsTheHighest(t *testing.T) {
	e := newEnv(t)
	const commit = "eeeeeeeeeeee"
	for _, v := range []string{"v0.0.0-20220101000000-", "v1.2.4-0.20220101000000-"} {
		e.publish(content{m: module.Version{Path: lib.Path, Version: v + commit}})
	}
	e.wantMeaning(commit[:7], "v1.2.4-0.20220101000000-"+commit)
	e.wantMeaning(commit, "v1.2.4-0.20220101000000-"+commit)
	e.wantMeaning(commit+"e", "") // which 12 digits do not say

	e.publish(content{m: module.Version{Path: lib.Path, Version: "v0.0.0-20220101000000-eeeeeee00000"}})
	e.clock.advance(time.Hour)
	e.want("/example.com/lib/@v/eeeeeee.info", http.StatusNotFound, "not found: revision eeeeeee of example.com/lib is ambiguous")
}

func TestUnknownRevisionsAreMissesThatNameTheCommand(t *testing.T) {
	e := newEnv(t)
	e.publish(content{m: lib})
	e.want(mainURL, http.StatusNotFound, "modferry mirror example.com/lib@main")
	if misses := e.handler.Wishes(true); len(misses) != 1 || misses[0].Query != "main" || misses[0].Count != 1 {
		t.Errorf("%+v", misses)
	}
}

func TestRevisionTakesFewRequestsAndThenNone(t *testing.T) {
	e := newEnv(t)
	e.publish(content{m: lib})
	e.record("main", lib.Version)
	e.want(libURL+".info", http.StatusOK, "")
	if got := e.requests(func() { e.want(mainURL, http.StatusOK, `"v1.2.3"`) }); len(got) != 3 {
		t.Errorf("first: %v; want the tag list, the record and its signature", got)
	}
	if got := e.requests(func() { e.want(mainURL, http.StatusOK, `"v1.2.3"`) }); len(got) > 0 {
		t.Errorf("again: %v", got)
	}
	if got := e.requests(func() { e.wantMeaning("none", "") }); len(got) > 0 {
		t.Errorf("what a fresh list lacks: %v", got)
	}
	e.restart()
	if got := e.requests(func() { e.want(mainURL, http.StatusOK, `"v1.2.3"`) }); len(got) > 0 {
		t.Errorf("after a restart: %v", got)
	}
}

func TestRevisionRecordedLaterIsSoonFound(t *testing.T) {
	e := newEnv(t)
	e.publish(content{m: lib})
	e.wantMeaning("main", "")
	e.record("main", lib.Version)
	e.clock.advance(defaultAbsent)
	e.wantMeaning("main", "v1.2.3")

	e.wantMeaning(libCommit[:12], "")
	e.record(libCommit, lib.Version)
	e.clock.advance(defaultAbsent)
	e.wantMeaning(libCommit[:12], "v1.2.3")
}

func TestMovedRevisionIsFollowedWhenItIsDue(t *testing.T) {
	e := newEnv(t)
	next := content{m: module.Version{Path: lib.Path, Version: "v1.3.0"}}
	e.publish(content{m: lib})
	e.publish(next)
	e.record("main", lib.Version)
	e.wantMeaning("main", "v1.2.3")
	e.record("main", "v1.3.0")
	e.wantMeaning("main", "v1.2.3")
	e.clock.advance(time.Hour)
	e.wantMeaning("main", "v1.3.0")
}

func TestRevisionsAreServedWhileTheStoreIsDown(t *testing.T) {
	e := newEnv(t)
	e.publish(content{m: lib})
	e.record("main", lib.Version)
	e.record(libCommit, lib.Version)
	e.wantMeaning("main", "v1.2.3")
	e.wantMeaning(libCommit[:12], "v1.2.3")
	e.transport.inject(down)
	for range 2 {
		e.clock.advance(2 * time.Hour)
		e.wantMeaning("main", "v1.2.3")
		e.wantMeaning(libCommit[:12], "v1.2.3")
		e.want("/example.com/lib/@v/none.info", http.StatusBadGateway, "registry not available") // it may be there by now
		e.restart()
	}
	e.transport.inject(nil)
	e.clock.advance(2 * time.Hour)
	e.wantMeaning("main", "v1.2.3")
	e.wantMeaning("none", "")
}
