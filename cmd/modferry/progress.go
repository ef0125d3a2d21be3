package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/dustin/go-humanize"
	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"

	"github.com/modferry/modferry/cmd/modferry/internal/audit"
	"github.com/modferry/modferry/registry/mirror"
	"github.com/modferry/modferry/registry/redact"
)

// progress shows what mirror does as it happens. Its methods are not called concurrently, but for Write.
type progress interface {
	// Write shows lines of text, of logs and about problems, without tearing the display.
	io.Writer
	// expect says how many versions will have an event.
	expect(total int)
	event(mirror.Event)
	// tiles shows how much of a checksum database snapshot has been captured.
	tiles(done, total int)
	// done ends the display; nothing else may write to its stream before.
	done()
}

// newProgress picks the display: JSON on standard output, a bar on a terminal, plain lines elsewhere.
func (a *app) newProgress(asJSON bool) progress {
	switch {
	case asJSON:
		return jsonProgress{json.NewEncoder(a.out), a.err}
	case isTerminal(a.err):
		return newBar(a.err)
	}
	return &lines{Writer: a.err}
}

type jsonProgress struct {
	out *json.Encoder
	io.Writer
}

func (p jsonProgress) expect(int)           {}
func (p jsonProgress) event(e mirror.Event) { _ = p.out.Encode(e) } // the summary's error is reported
func (p jsonProgress) tiles(int, int)       {}
func (p jsonProgress) done()                {}

// lines prints a line for every version, which is what logs of build servers are good at.
type lines struct {
	io.Writer
	tenth int // of the tiles, shown last
}

// manyTiles is the number of tiles that take long enough to be spoken of.
const manyTiles = 100

func (p *lines) expect(int) {}
func (p *lines) done()      {}

func (p *lines) event(e mirror.Event) {
	if !endsRun(e) {
		fmt.Fprintln(p, eventLine(e))
	}
}

// endsRun reports whether the run ends with the event's error, which is told then.
func endsRun(e mirror.Event) bool { return errors.Is(e.Err, mirror.ErrLocked) }

func (p *lines) tiles(done, total int) {
	if tenth := done * 10 / total; total >= manyTiles && tenth != p.tenth {
		p.tenth = tenth
		fmt.Fprintf(p, "capturing the checksum database: %d of %d tiles\n", done, total)
	}
}

// bar is one bar for the whole run, and one before it for the checksum database; above it only failures are named.
type bar struct {
	*mpb.Progress
	versions, captured *mpb.Bar // nil = nothing expected as yet
}

func newBar(w io.Writer) *bar {
	return &bar{Progress: mpb.New(mpb.WithOutput(w), mpb.WithWidth(40))}
}

func (b *bar) add(total int, what string) *mpb.Bar {
	return b.AddBar(int64(total),
		mpb.PrependDecorators(decor.CountersNoUnit("%d/%d "), decor.Name(what)),
		mpb.AppendDecorators(decor.Elapsed(decor.ET_STYLE_GO)),
		mpb.BarRemoveOnComplete(),
	)
}

func (b *bar) expect(total int) {
	if total > 0 {
		b.versions = b.add(total, "")
	}
}

func (b *bar) event(e mirror.Event) {
	if e.Status == mirror.Failed && !endsRun(e) {
		fmt.Fprintln(b, eventLine(e))
	}
	b.versions.Increment()
}

func (b *bar) tiles(done, total int) {
	if b.captured == nil {
		b.captured = b.add(total, "tiles of the checksum database ")
	}
	b.captured.SetTotal(int64(total), false)
	b.captured.SetCurrent(int64(done))
}

func (b *bar) done() {
	for _, one := range []*mpb.Bar{b.versions, b.captured} {
		if one != nil {
			one.Abort(true) // without effect when all came
		}
	}
	b.Wait()
}

// eventLine says in one line what became of a version.
func eventLine(e mirror.Event) string {
	line := fmt.Sprintf("%-8s %s%s", e.Status, e.Module, audit.Kind(e.ModOnly))
	switch {
	case e.Err != nil && e.From != "" && e.From != e.Module.String():
		line += " (" + e.From + "): " + e.Err.Error()
	case e.Err != nil:
		line += ": " + e.Err.Error()
	case e.Bytes > 0:
		line += "  " + humanize.Bytes(uint64(e.Bytes))
	}
	return redact.Text(line)
}
