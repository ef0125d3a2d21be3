// Package progress shows what mirror does as it happens.
package progress

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/bits"
	"strings"

	"github.com/dustin/go-humanize"
	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"

	"github.com/modferry/modferry/registry"
	"github.com/modferry/modferry/registry/mirror"
	"github.com/modferry/modferry/registry/redact"
	"github.com/modferry/modferry/registry/safetext"
)

// Display shows what mirror does. Its methods are not called concurrently, but for Write.
type Display interface {
	// Write shows lines of text, of logs and about problems, without tearing the display.
	io.Writer
	// Collect says how many files have been read to find out what is needed, from 0 on.
	Collect(files int)
	// Expect says how many versions will have an event.
	Expect(total int)
	// Event shows what became of a version.
	Event(mirror.Event)
	// Tiles shows how much of a checksum database snapshot has been captured.
	Tiles(done, total int)
	// Done ends the display; nothing else may write to its stream before.
	Done()
}

// JSON returns a display of events as JSON on out, a line each, and of text on err.
func JSON(out, err io.Writer) Display { return jsonDisplay{json.NewEncoder(out), err} }

// Bar returns a display for a terminal.
func Bar(terminal io.Writer) Display {
	return &bar{Progress: mpb.New(mpb.WithOutput(terminal), mpb.WithWidth(40))}
}

// Lines returns a display that prints a line for every version, which is what logs of build servers are good at.
func Lines(w io.Writer) Display { return &lines{Writer: w} }

type jsonDisplay struct {
	out *json.Encoder
	io.Writer
}

func (p jsonDisplay) Collect(n int)        { collecting(p, n) }
func (p jsonDisplay) Expect(int)           {}
func (p jsonDisplay) Event(e mirror.Event) { _ = p.out.Encode(e) } // the summary's error is reported
func (p jsonDisplay) Tiles(int, int)       {}
func (p jsonDisplay) Done()                {}

type lines struct {
	io.Writer
	tenth int // of the tiles, shown last
}

// manyTiles is the number of tiles that take long enough to be spoken of.
const manyTiles = 100

func (p *lines) Collect(n int) { collecting(p, n) }
func (p *lines) Expect(int)    {}
func (p *lines) Done()         {}

func (p *lines) Event(e mirror.Event) {
	if !endsRun(e) {
		fmt.Fprintln(p, eventLine(e))
	}
}

// manyFiles is the number of files that take long enough to be spoken of.
const manyFiles = 256

// collecting prints a line when it begins, and ever fewer afterwards.
func collecting(w io.Writer, files int) {
	switch {
	case files == 0:
		fmt.Fprintln(w, "finding out what is needed")
	case files >= manyFiles && bits.OnesCount(uint(files)) == 1:
		fmt.Fprintf(w, "finding out what is needed: %d files read\n", files)
	}
}

// endsRun reports whether the run ends with the event's error, which is told then.
func endsRun(e mirror.Event) bool {
	return errors.Is(e.Err, mirror.ErrLocked) || errors.Is(e.Err, registry.ErrReadOnly)
}

func (p *lines) Tiles(done, total int) {
	if tenth := done * 10 / total; total >= manyTiles && tenth != p.tenth {
		p.tenth = tenth
		fmt.Fprintf(p, "capturing the checksum database: %d of %d tiles\n", done, total)
	}
}

// bar is one bar for the whole run, and one before it for the checksum database; above it only failures are named.
type bar struct {
	*mpb.Progress
	collected, versions, captured *mpb.Bar // nil = nothing expected as yet
}

func (b *bar) add(total int, what string) *mpb.Bar {
	return b.AddBar(int64(total),
		mpb.PrependDecorators(decor.CountersNoUnit("%d/%d "), decor.Name(what)),
		mpb.AppendDecorators(decor.Elapsed(decor.ET_STYLE_GO)),
		mpb.BarRemoveOnComplete(),
	)
}

// Collect shows a count, for nobody knows how many there will be.
func (b *bar) Collect(files int) {
	if b.collected == nil {
		b.collected = b.AddBar(0,
			mpb.PrependDecorators(decor.Name("finding out what is needed: "), decor.CurrentNoUnit("%d files read ")),
			mpb.AppendDecorators(decor.Elapsed(decor.ET_STYLE_GO)),
		)
	}
	b.collected.SetCurrent(int64(files))
}

func (b *bar) Expect(total int) {
	if b.collected != nil {
		b.collected.Abort(true)
	}
	if total > 0 {
		b.versions = b.add(total, "")
	}
}

func (b *bar) Event(e mirror.Event) {
	if e.Status == mirror.HeldBack { // which was counted before
		fmt.Fprintln(b, eventLine(e))
		return
	}
	if e.Status == mirror.Failed && !endsRun(e) {
		fmt.Fprintln(b, eventLine(e))
	}
	b.versions.Increment()
}

func (b *bar) Tiles(done, total int) {
	if b.captured == nil {
		b.captured = b.add(total, "tiles of the checksum database ")
	}
	b.captured.SetTotal(int64(total), false)
	b.captured.SetCurrent(int64(done))
}

func (b *bar) Done() {
	for _, one := range []*mpb.Bar{b.collected, b.versions, b.captured} {
		if one != nil {
			one.Abort(true) // without effect when all came
		}
	}
	b.Wait()
}

// eventLine says in one line what became of a version.
func eventLine(e mirror.Event) string {
	if e.Err != nil {
		return redact.Text(failureLine(e))
	}
	line := fmt.Sprintf("%-8s %s", e.Status, e.Module)
	if e.ModOnly {
		line += " mod-only"
	}
	switch {
	case e.Status == mirror.HeldBack:
		line = fmt.Sprintf("%s %s by the registry: %s", e.Status, e.Module, e.HeldBack)
	case e.HeldBack != "":
		line += ", held back by the registry: " + e.HeldBack
	case e.Bytes > 0:
		line += "  " + humanize.Bytes(uint64(e.Bytes))
	}
	return redact.Text(line)
}

// failureLine says what failed, of what, and who needs that.
func failureLine(e mirror.Event) string {
	line := fmt.Sprintf("%-8s %v", e.Status, safetext.Naming(e.Module.String(), e.Err))
	var of []string
	if e.ModOnly {
		of = append(of, "mod-only")
	}
	if e.From != "" && e.From != e.Module.String() {
		of = append(of, "for "+e.From)
	}
	if len(of) == 0 {
		return line
	}
	return line + " (" + strings.Join(of, ", ") + ")"
}

// SummaryLine reads "12 new, 30 existing, 1 failed, 14 MB".
func SummaryLine(s mirror.Summary, dryRun bool) string {
	kind := "new"
	if dryRun {
		kind = "to be mirrored"
	}
	parts := []string{fmt.Sprintf("%d %s", s.New, kind), fmt.Sprintf("%d existing", s.Existing)}
	if s.Signed > 0 {
		parts = append(parts, fmt.Sprintf("%d signed", s.Signed))
	}
	if s.Mended > 0 {
		parts = append(parts, fmt.Sprintf("%d mended", s.Mended))
	}
	if s.Completed > 0 {
		parts = append(parts, fmt.Sprintf("%d completed", s.Completed))
	}
	if s.HeldBack > 0 {
		parts = append(parts, fmt.Sprintf("%d held back", s.HeldBack))
	}
	parts = append(parts, fmt.Sprintf("%d failed", s.Failed), humanize.Bytes(uint64(s.Bytes)))
	return strings.Join(parts, ", ")
}
