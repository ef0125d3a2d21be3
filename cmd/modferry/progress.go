package main

import (
	"encoding/json"
	"fmt"
	"io"

	"github.com/dustin/go-humanize"
	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"

	"github.com/modferry/modferry/registry/mirror"
)

// progress shows mirror's events as they come. Its methods are not called concurrently.
type progress interface {
	event(mirror.Event)
	// done ends the display; nothing else may write to its stream before.
	done()
}

// newProgress picks the display: JSON on standard output, a bar on a terminal, plain lines elsewhere.
func (a *app) newProgress(total int, asJSON bool) progress {
	switch {
	case asJSON:
		return jsonProgress{json.NewEncoder(a.out)}
	case isTerminal(a.err) && total > 0:
		return newBar(a.err, total)
	}
	return lines{a.err}
}

type jsonProgress struct{ out *json.Encoder }

func (p jsonProgress) event(e mirror.Event) { _ = p.out.Encode(e) } // the summary's error is reported
func (p jsonProgress) done()                {}

// lines prints a line for every version, which is what logs of build servers are good at.
type lines struct{ w io.Writer }

func (p lines) event(e mirror.Event) { fmt.Fprintln(p.w, eventLine(e)) }
func (p lines) done()                {}

// bar is one bar for the whole run; above it only failures are named.
type bar struct {
	all *mpb.Progress
	bar *mpb.Bar
}

func newBar(w io.Writer, total int) *bar {
	b := &bar{all: mpb.New(mpb.WithOutput(w), mpb.WithWidth(40))}
	b.bar = b.all.AddBar(int64(total),
		mpb.PrependDecorators(decor.CountersNoUnit("%d/%d ")),
		mpb.AppendDecorators(decor.Elapsed(decor.ET_STYLE_GO)),
		mpb.BarRemoveOnComplete(),
	)
	return b
}

func (b *bar) event(e mirror.Event) {
	if e.Status == mirror.Failed {
		fmt.Fprintln(b.all, eventLine(e))
	}
	b.bar.Increment()
}

func (b *bar) done() {
	b.bar.Abort(true) // without effect when all versions are done
	b.all.Wait()
}

// eventLine says in one line what became of a version.
func eventLine(e mirror.Event) string {
	line := fmt.Sprintf("%-8s %s%s", e.Status, e.Module, kindName(e.ModOnly))
	switch {
	case e.Err != nil:
		line += ": " + e.Err.Error()
	case e.Bytes > 0:
		line += "  " + humanize.Bytes(uint64(e.Bytes))
	}
	return line
}
