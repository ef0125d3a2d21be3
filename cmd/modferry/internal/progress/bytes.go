package progress

import (
	"fmt"
	"io"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"
)

// Bytes shows how much of something of known size has been done, how fast, and how long the rest will take.
type Bytes interface {
	Add(n int64)
	// Done ends the display; nothing else may write to its stream before.
	Done()
}

// BytesBar returns a display for a terminal.
func BytesBar(terminal io.Writer, what string, total int64) Bytes {
	p := mpb.New(mpb.WithOutput(terminal), mpb.WithWidth(40))
	return &bytesBar{p, p.AddBar(total,
		mpb.PrependDecorators(decor.Name(what+" "), decor.Counters(decor.SizeB1000(0), "% .1f of % .1f ")),
		mpb.AppendDecorators(decor.AverageSpeed(decor.SizeB1000(0), "% .1f "), decor.AverageETA(decor.ET_STYLE_GO)),
		mpb.BarRemoveOnComplete(),
	)}
}

type bytesBar struct {
	*mpb.Progress
	bar *mpb.Bar
}

func (b *bytesBar) Add(n int64) { b.bar.IncrInt64(n) }

func (b *bytesBar) Done() {
	b.bar.Abort(true) // without effect when all came
	b.Wait()
}

// manyBytes take long enough to be spoken of.
const manyBytes = 100_000_000

// BytesLines returns a display that prints a line for each tenth of much.
func BytesLines(w io.Writer, what string, total int64, now func() time.Time) Bytes {
	return &bytesLines{to: w, what: what, total: total, now: now, start: now()}
}

type bytesLines struct {
	to          io.Writer
	what        string
	total, done int64
	now         func() time.Time
	start       time.Time
}

func (l *bytesLines) Add(n int64) {
	before := l.done * 10 / max(l.total, 1)
	l.done += n
	if l.total < manyBytes || l.done*10/l.total == before || l.done >= l.total {
		return
	}
	rate := float64(l.done) / max(l.now().Sub(l.start).Seconds(), 1e-3)
	left := time.Duration(float64(l.total-l.done) / rate * float64(time.Second)).Round(time.Second)
	fmt.Fprintf(l.to, "%s %s of %s, %s/s, %v left\n", l.what,
		humanize.Bytes(uint64(l.done)), humanize.Bytes(uint64(l.total)), humanize.Bytes(uint64(rate)), left)
}

func (l *bytesLines) Done() {}
