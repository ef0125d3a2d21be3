package progress

import (
	"strings"
	"testing"
	"time"
)

func TestBytesLinesTellRateAndRemainingTime(t *testing.T) {
	var out strings.Builder
	now := time.Unix(0, 0)
	p := BytesLines(&out, "written", 1_000_000_000, func() time.Time { return now })
	for range 100 {
		now = now.Add(time.Second / 10)
		p.Add(10_000_000)
	}
	p.Done()
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	if want := "written 300 MB of 1.0 GB, 100 MB/s, 7s left"; len(lines) != 9 || lines[2] != want {
		t.Errorf("%d lines, the third is %q, want %q", len(lines), lines[2], want)
	}
}

func TestLittleIsNotSpokenOf(t *testing.T) {
	var out strings.Builder
	p := BytesLines(&out, "written", 1000, time.Now)
	for range 10 {
		p.Add(100)
	}
	if out.Len() > 0 {
		t.Error(out.String())
	}
}
