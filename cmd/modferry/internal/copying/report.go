// Package copying is what the commands that copy between stores have in common: what they say of it, and how they end.
package copying

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/dustin/go-humanize"

	"github.com/modferry/modferry/artifact"
	"github.com/modferry/modferry/artifact/sign"
	"github.com/modferry/modferry/cmd/modferry/internal/command"
	"github.com/modferry/modferry/registry"
	"github.com/modferry/modferry/registry/redact"
	"github.com/modferry/modferry/registry/transfer"
)

// A Report says what becomes of items, as it happens, and counts it.
type Report struct {
	Out, Err io.Writer
	JSON     bool // a value a line, instead of text
	Quiet    bool // nothing of items, but what is wrong with them
	DryRun   bool
	Loads    bool // say "loaded" for "copied"

	Counts Counts

	waiting map[string]bool // items that wait for other volumes
}

// Counts is how many items ended how.
type Counts struct {
	Copied     int   `json:"copied"`
	Signed     int   `json:"signaturesAdded"`
	Existing   int   `json:"existing"`
	Waiting    int   `json:"waiting,omitempty"` // for parts in other volumes of a bundle
	Refused    int   `json:"refused"`
	Failed     int   `json:"failed"`
	BytesSent  int64 `json:"bytesSent"`
	BytesMount int64 `json:"bytesMounted"`
}

// line is an item in the JSON output.
type line struct {
	Kind       string `json:"kind"`
	Repository string `json:"repository"`
	Tag        string `json:"tag"`
	Module     string `json:"module,omitempty"`
	Version    string `json:"version,omitempty"`
	Outcome    string `json:"outcome"`
	Digest     string `json:"digest,omitempty"`
	Bytes      int64  `json:"bytes,omitempty"`
	Volumes    []int  `json:"volumes,omitempty"` // that it waits for
	Error      string `json:"error,omitempty"`
}

// Event reports what became of an item.
func (r *Report) Event(e transfer.Event) {
	outcome := r.count(e)
	if e.Err == nil && (r.Quiet || outcome == existing && !r.JSON) {
		return
	}
	l := r.line(e, outcome)
	if r.JSON {
		_ = json.NewEncoder(r.Out).Encode(l) // the end of the command tells that output is lost
		return
	}
	if e.Err != nil {
		fmt.Fprintf(r.Err, "modferry: %s\n", l.Error)
	}
	if !r.Quiet {
		fmt.Fprintln(r.Out, l)
	}
}

func (r *Report) line(e transfer.Event, outcome string) line {
	l := line{
		Kind: e.Item.Kind().String(), Repository: e.Item.Repository, Tag: e.Item.Tag,
		Outcome: outcome, Digest: e.Item.Descriptor.Digest.String(), Bytes: e.Sent + e.Mounted,
	}
	l.Module, l.Version = identity(e)
	if e.Err != nil {
		l.Error = redact.Text(e.Err.Error())
	}
	return l
}

// What becomes of an item, in words.
const (
	copied    = "copied"
	loaded    = "loaded"
	wouldCopy = "would copy"
	wouldLoad = "would load"
	waiting   = "waits"
	signed    = "signed"
	existing  = "exists"
	leftOut   = "left out"
	refused   = "REFUSED"
	failed    = "FAILED"
)

// count counts an event and returns its outcome in words.
func (r *Report) count(e transfer.Event) string {
	c := &r.Counts
	c.BytesSent += e.Sent
	c.BytesMount += e.Mounted
	delete(r.waiting, e.Item.String())
	c.Waiting = len(r.waiting)
	foreign := errors.Is(e.Err, sign.ErrUntrusted) || errors.Is(e.Err, sign.ErrUnsigned)
	switch {
	case foreign && e.Item.Kind() == transfer.Index: // what others say there is need not concern us
		return leftOut
	case e.Refused():
		c.Refused++
		return refused
	case e.Err != nil:
		c.Failed++
		return failed
	case e.Outcome == registry.Published:
		c.Copied++
		switch {
		case r.DryRun && r.Loads:
			return wouldLoad
		case r.DryRun:
			return wouldCopy
		case r.Loads:
			return loaded
		}
		return copied
	case e.Outcome == registry.SignatureAdded:
		c.Signed++
		return signed
	}
	c.Existing++
	return existing
}

// identity returns module and version as far as the item's names tell them, if the item does not.
func identity(e transfer.Event) (path, version string) {
	if e.Module.Path != "" {
		return e.Module.Path, e.Module.Version
	}
	path, _ = artifact.ModulePath(e.Item.Repository)
	version, _, _ = artifact.ParseTag(e.Item.Tag)
	return path, version
}

// String is the item for people.
func (l line) String() string {
	var what string
	switch _, modOnly, _ := artifact.ParseTag(l.Tag); {
	case l.Kind == transfer.Version.String() && modOnly:
		what = l.Module + " " + l.Version + " mod-only"
	case l.Kind == transfer.Version.String():
		what = l.Module + " " + l.Version
	case l.Module != "" && l.Version != "":
		what = l.Module + " " + l.Version + " " + l.Kind
	default:
		what = l.Kind + " " + l.Repository + ":" + l.Tag
	}
	if l.Bytes > 0 {
		what += "  " + humanize.Bytes(uint64(l.Bytes))
	}
	return fmt.Sprintf("%-8s %s", l.Outcome, what)
}

// String is the counts in one line.
func (c Counts) String() string {
	words := []string{fmt.Sprintf("%d copied", c.Copied)}
	if c.Signed > 0 {
		words = append(words, fmt.Sprintf("%d with signatures added", c.Signed))
	}
	words = append(words, fmt.Sprintf("%d there already", c.Existing))
	if c.Waiting > 0 {
		words = append(words, fmt.Sprintf("%d waiting for other volumes", c.Waiting))
	}
	words = append(words, fmt.Sprintf("%d refused, %d failed", c.Refused, c.Failed))
	s := strings.Join(words, ", ") + "; " + humanize.Bytes(uint64(c.BytesSent)) + " sent"
	if c.BytesMount > 0 {
		s += ", " + humanize.Bytes(uint64(c.BytesMount)) + " mounted"
	}
	return s
}

// Broken reports repositories that could not be listed, each of which counts as failed.
func (r *Report) Broken(errs []error) {
	for _, err := range errs {
		r.Counts.Failed++
		fmt.Fprintf(r.Err, "modferry: %s\n", redact.Text(err.Error()))
	}
}

// End prints the counts, and returns the error that the command ends with, if err is none.
func (r *Report) End(err error) error {
	if r.JSON {
		_ = json.NewEncoder(r.Out).Encode(map[string]Counts{"summary": r.Counts})
	} else {
		text := r.Counts.String()
		if r.Loads {
			text = strings.Replace(text, copied, loaded, 1)
		}
		if r.DryRun {
			text = "would be: " + text
		}
		fmt.Fprintf(r.Err, "modferry: %s\n", text)
	}
	switch {
	case err != nil:
		return err
	case r.Counts.Refused > 0:
		return &command.ExitError{Code: command.ExitRefused, Err: fmt.Errorf("%d refused; each is named above", r.Counts.Refused)}
	case r.Counts.Failed > 0:
		return command.ItemsFailed(r.Counts.Failed, "could not be copied; each is named above, and running again tries those only")
	}
	return nil
}
