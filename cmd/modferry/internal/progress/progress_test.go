package progress

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"golang.org/x/mod/module"

	"github.com/modferry/modferry/registry/mirror"
	"github.com/modferry/modferry/registry/requirement"
)

func someEvents() []mirror.Event {
	item := func(path string, modOnly bool) requirement.Requirement {
		return requirement.Requirement{Module: module.Version{Path: path, Version: "v1.0.0"}, ModOnly: modOnly}
	}
	return []mirror.Event{
		{Requirement: item("example.com/a", false), Status: mirror.New, Bytes: 12_000},
		{Requirement: item("example.com/b", true), Status: mirror.Existing},
		{Requirement: item("example.com/c", false), Status: mirror.Failed, Err: errors.New("it is broken")},
	}
}

func TestPlainProgressIsALineForEachVersion(t *testing.T) {
	var out bytes.Buffer
	p := Lines(&out)
	p.Expect(3)
	for _, e := range someEvents() {
		p.Event(e)
	}
	p.Done()
	want := "new      example.com/a@v1.0.0  12 kB\nexisting example.com/b@v1.0.0 mod-only\nfailed   example.com/c@v1.0.0: it is broken\n"
	if out.String() != want {
		t.Errorf("got\n%s\nwant\n%s", out.String(), want)
	}
}

func TestBarEndsWhetherOrNotAllVersionsCame(t *testing.T) {
	for _, n := range []int{0, 2, 3} {
		b := Bar(&bytes.Buffer{})
		b.Expect(3)
		for _, e := range someEvents()[:n] {
			b.Event(e)
		}
		b.Done()
	}
}

func TestCollectingIsShownSeldom(t *testing.T) {
	var out bytes.Buffer
	for _, p := range []Display{Lines(&out), JSON(nil, &out)} {
		out.Reset()
		for n := range 1000 {
			p.Collect(n)
		}
		want := "finding out what is needed\nfinding out what is needed: 256 files read\nfinding out what is needed: 512 files read\n"
		if out.String() != want {
			t.Errorf("got\n%s\nwant\n%s", out.String(), want)
		}
	}
	for _, n := range []int{0, 3} { // nothing may have been needed, or it was interrupted
		b := Bar(&bytes.Buffer{})
		b.Collect(0)
		b.Collect(100)
		if n > 0 {
			b.Expect(n)
		}
		b.Done()
	}
}

func TestProgressOfALongCaptureIsShown(t *testing.T) {
	var out bytes.Buffer
	p := Lines(&out)
	for done := range 1000 {
		p.Tiles(done+1, 1000)
	}
	if n := bytes.Count(out.Bytes(), []byte("\n")); n != 10 || !strings.HasSuffix(out.String(), " 1000 of 1000 tiles\n") {
		t.Errorf("%d lines:\n%s", n, out.String())
	}
	out.Reset()
	p.Tiles(1, 3)
	if out.Len() > 0 {
		t.Errorf("three tiles are not worth a line: %s", out.String())
	}
	for _, n := range []int{0, 5, 1000} {
		b := Bar(&bytes.Buffer{})
		for done := range n {
			b.Tiles(done+1, 1000)
		}
		b.Done()
	}
}

func TestSummaryLine(t *testing.T) {
	s := mirror.Summary{New: 12, Existing: 30, Failed: 1, Bytes: 14_000_000}
	if got := SummaryLine(s, false); got != "12 new, 30 existing, 1 failed, 14 MB" {
		t.Error(got)
	}
	s.Signed = 2
	if got := SummaryLine(s, true); got != "12 to be mirrored, 30 existing, 2 signed, 1 failed, 14 MB" {
		t.Error(got)
	}
}
