package checkreport

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"golang.org/x/mod/module"

	"github.com/modferry/modferry/proxyshim"
	"github.com/modferry/modferry/proxyshim/check"
	"github.com/modferry/modferry/proxyshim/events"
)

func miss(path, version, query string) proxyshim.Miss {
	return proxyshim.Miss{Module: module.Version{Path: path, Version: version}, Query: query, Named: version != ""}
}

// queries are misses of the newest versions of n modules.
func queries(n int) []proxyshim.Miss {
	var misses []proxyshim.Miss
	for i := range n {
		misses = append(misses, miss(fmt.Sprint("m", i), "", "latest"))
	}
	return misses
}

func TestAdviceNamesWhatTheProjectDoesNot(t *testing.T) {
	for _, tt := range []struct {
		name    string
		missing []proxyshim.Miss
		want    []string
	}{
		{"versions", []proxyshim.Miss{miss("example.com/a", "v1.0.0", "")}, []string{"cosign.key app"}},
		{"a toolchain", []proxyshim.Miss{miss("golang.org/toolchain", "v0.0.1-go1.27.3.linux-amd64", "")}, []string{"cosign.key --toolchains app"}},
		{"queries", []proxyshim.Miss{miss("example.com/a", "", "latest")}, []string{"cosign.key example.com/a@latest"}},
		{"more than a line", queries(7), []string{"cosign.key m0@latest m1@latest m2@latest m3@latest m4@latest …"}},
		{
			"both",
			[]proxyshim.Miss{miss("example.com/a", "v1.0.0", ""), miss("example.com/b", "", "main"), miss("example.com/c", "", "latest")},
			[]string{"cosign.key app", "cosign.key example.com/b@main example.com/c@latest"},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var out strings.Builder
			(&Report{Out: &out, Dir: "app", Missing: tt.missing}).adviseMirror()
			var got []string
			for line := range strings.Lines(out.String()) {
				if _, args, ok := strings.Cut(strings.TrimSpace(line), "modferry mirror --key "); ok {
					got = append(got, args)
				}
			}
			if !slices.Equal(got, tt.want) {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

// verdict returns what a report says about results, failures of the shim and who else was to be asked.
func verdict(t *testing.T, results []check.Result, failures []proxyshim.Failure, dialled ...string) (string, *Error) {
	t.Helper()
	var out bytes.Buffer
	r := &Report{Out: &out, Err: &out, Store: "oci:store", Dialled: dialled}
	for _, f := range failures {
		r.Failed(f)
	}
	for _, c := range results {
		r.Result(c)
	}
	err := r.Verdict()
	var unproved *Error
	if err != nil && !errors.As(err, &unproved) {
		t.Fatalf("the verdict is %T: %v", err, err)
	}
	return out.String(), unproved
}

func TestVerdictSaysWhatTheResultsMean(t *testing.T) {
	why := errors.New("why")
	a := module.Version{Path: "example.com/a", Version: "v1.0.0"}
	well := check.Result{Command: "go build ./...", OK: true}
	failed := check.Result{Command: "go vet ./...", Output: strings.Repeat("no\n", 20) + "no"}
	for _, tt := range []struct {
		name     string
		results  []check.Result
		failures []proxyshim.Failure
		dialled  []string
		says     []string
		lacks    []string
		refused  bool
		reason   string // "" = it works
	}{
		{
			name: "all well", results: []check.Result{well},
			says: []string{"The project works from the store alone: 1 command, all well.\n", "Nobody but the store was asked: oci:store\n"},
		},
		{
			name: "a long output is cut", results: []check.Result{failed}, reason: "1 of 1 commands failed",
			says: []string{"FAILED", "… and 13 more lines", "The store had everything that was asked for"},
		},
		{
			name: "the same output is shown once", results: []check.Result{failed, {Command: "go build ./...", Output: failed.Output}},
			reason: "2 of 2 commands failed", says: []string{"the same as go vet ./...\n"},
		},
		{
			name: "somebody else was to be asked", results: []check.Result{well}, dialled: []string{"telemetry.example:443"},
			reason: "1 others than the store were to be asked", says: []string{"    telemetry.example:443\n"}, lacks: []string{"Nobody", "works"},
		},
		{
			name: "the store fails", results: []check.Result{failed}, failures: []proxyshim.Failure{{Kind: events.Unavailable, Module: a, Err: why}},
			reason: "1 of 1 commands failed", says: []string{"could not answer 1 request, see above"}, lacks: []string{"had everything"},
		},
		{
			name: "a route denies requests", results: []check.Result{failed}, reason: "1 of 1 commands failed",
			failures: []proxyshim.Failure{{Kind: events.Denied, Module: a, Err: why}, {Kind: events.Denied, Err: why}},
			says:     []string{"refused 2 requests. That is its decision, whatever it has:\n    why\n"}, lacks: []string{"had everything"},
		},
		{
			name: "verification fails", results: []check.Result{failed}, refused: true, reason: "the shim refused 2 module versions",
			failures: []proxyshim.Failure{
				{Kind: events.Refused, Err: why},
				{Kind: events.Refused, Module: a, Err: fmt.Errorf("%v: %w", a, why)},
				{Kind: events.Refused, Module: a, Err: fmt.Errorf("%v: %w", a, why)},
			},
			says: []string{"hash is not right:\n    example.com/a@v1.0.0: why\n    the checksum database: why\nFind out why"},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			text, err := verdict(t, tt.results, tt.failures, tt.dialled...)
			if err == nil && tt.reason != "" || err != nil && *err != (Error{tt.refused, tt.reason}) {
				t.Errorf("the verdict is %+v, want %q", err, tt.reason)
			}
			for _, want := range tt.says {
				if !strings.Contains(text, want) {
					t.Errorf("lacks %q:\n%s", want, text)
				}
			}
			for _, bad := range tt.lacks {
				if strings.Contains(text, bad) {
					t.Errorf("says %q:\n%s", bad, text)
				}
			}
		})
	}
}
