package copying

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/mod/module"

	"github.com/modferry/modferry/artifact/sign"
	"github.com/modferry/modferry/cmd/modferry/internal/command"
	"github.com/modferry/modferry/registry"
	"github.com/modferry/modferry/registry/transfer"
)

func TestExitCodeSaysTheWorst(t *testing.T) {
	it := transfer.Item{Repository: "example.com/m", Tag: "v1.0.0"}
	index := transfer.Item{Repository: "index", Tag: "signer-1234567890abcdef"}
	fine := transfer.Event{Item: it}
	failed := transfer.Event{Item: it, Err: registry.ErrUnavailable}
	refused := transfer.Event{Item: it, Err: sign.ErrUnsigned}
	conflict := transfer.Event{Item: it, Err: &registry.ConflictError{Module: module.Version{Path: "example.com/m", Version: "v1.0.0"}}}
	foreign := transfer.Event{Item: index, Err: sign.ErrUntrusted}
	for name, test := range map[string]struct {
		events []transfer.Event
		broken []error
		err    error
		want   int
	}{
		"all done":               {events: []transfer.Event{fine}, want: command.ExitOK},
		"one failed":             {events: []transfer.Event{fine, failed}, want: command.ExitItems},
		"one refused":            {events: []transfer.Event{failed, refused, fine}, want: command.ExitRefused},
		"a conflict":             {events: []transfer.Event{conflict}, want: command.ExitRefused},
		"a stranger's index":     {events: []transfer.Event{fine, foreign}, want: command.ExitOK},
		"a repository is broken": {events: []transfer.Event{fine}, broken: []error{registry.ErrDenied}, want: command.ExitItems},
		"it ended early":         {events: []transfer.Event{refused}, err: registry.ErrReadOnly, want: command.ExitFailed},
	} {
		var out, errs bytes.Buffer
		r := &Report{Out: &out, Err: &errs}
		for _, e := range test.events {
			r.Event(e)
		}
		r.Broken(test.broken)
		if code := command.Report(&errs, r.End(test.err)); code != test.want {
			t.Errorf("%s: exit code %d, want %d: %s", name, code, test.want, errs.String())
		}
	}
}

func TestLines(t *testing.T) {
	m := module.Version{Path: "example.com/m", Version: "v1.0.0"}
	for want, e := range map[string]transfer.Event{
		"copied   example.com/m v1.0.0  1.2 kB":                    {Item: transfer.Item{Repository: "example.com/m", Tag: "v1.0.0"}, Module: m, Sent: 1200},
		"copied   example.com/m v1.0.0 mod-only":                   {Item: transfer.Item{Repository: "example.com/m", Tag: "v1.0.0.mod"}, Module: m},
		"copied   example.com/m v1.0.0 evidence":                   {Item: transfer.Item{Repository: "example.com/m", Tag: "sumdb-v1.0.0"}, Module: m},
		"copied   example.com/m main revision":                     {Item: transfer.Item{Repository: "example.com/m", Tag: "rev-main"}, Module: module.Version{Path: m.Path, Version: "main"}},
		"copied   checksum snapshot sumdb/sum.example.com:head-12": {Item: transfer.Item{Repository: "sumdb/sum.example.com", Tag: "head-12"}},
		"signed   example.com/m v1.0.0":                            {Item: transfer.Item{Repository: "example.com/m", Tag: "v1.0.0"}, Module: m, Outcome: registry.SignatureAdded},
		"REFUSED  example.com/m v1.0.0":                            {Item: transfer.Item{Repository: "example.com/m", Tag: "v1.0.0"}, Err: sign.ErrUnsigned}, // before its manifest was read
		"":                                                         {Item: transfer.Item{Repository: "example.com/m", Tag: "v1.0.0"}, Module: m, Outcome: registry.Exists},
	} {
		var out bytes.Buffer
		(&Report{Out: &out, Err: new(bytes.Buffer)}).Event(e)
		if got := strings.TrimSuffix(out.String(), "\n"); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

// A watch goes on whatever a round ends in, looks at signatures at first and once a day, and ends when it is told to.
func TestWatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, stop := context.WithCancel(t.Context())
		var out bytes.Buffer
		var compared []int
		rounds := 0
		w := Watch{Every: time.Hour, Out: &out, Now: time.Now, Round: func(_ context.Context, compare bool) (Counts, error) {
			if compare {
				compared = append(compared, rounds)
			}
			switch rounds++; rounds {
			case 2:
				return Counts{}, errors.New("the centre does not answer")
			case 27:
				stop()
			}
			return Counts{Copied: rounds}, nil
		}}
		if err := w.Run(ctx); err != nil {
			t.Error(err)
		}
		if fmt.Sprint(compared) != "[0 24]" {
			t.Errorf("signatures were compared in the rounds %v", compared)
		}
		lines := strings.Split(strings.TrimSpace(out.String()), "\n")
		if len(lines) != 26 || !strings.HasPrefix(lines[0], "2000-01-01T00:00:00Z 1 copied, 0 there already") || !strings.HasSuffix(lines[1], "; the centre does not answer") {
			t.Errorf("%d lines: %s", len(lines), out.String())
		}
	})
}
