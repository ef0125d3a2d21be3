// Package audit writes down what a shim has answered: a line of JSON for each request, in a file that may be moved away at
// any time, or on standard output.
package audit

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"os"
	"sync"
	"time"

	"github.com/modferry/modferry/proxyshim/events"
	"github.com/modferry/modferry/registry/redact"
)

// Stdout is the name that stands for standard output.
const Stdout = "-"

// A Log is an audit log; nil is none, and takes what it is told. It is safe for concurrent use, and several processes may
// write to one file: a line is one write at the end of the file.
type Log struct {
	name string
	log  *slog.Logger

	mu     sync.Mutex
	out    io.Writer // of Stdout
	file   *os.File  // of a name
	failed bool      // the last line could not be written
	torn   bool      // the file ends in a part of one
}

// Open opens an audit log: the file, which is created if need be, and which others may not read; or stdout if its name is
// [Stdout]. What fails later is told to log.
func Open(name string, stdout io.Writer, log *slog.Logger) (*Log, error) {
	l := &Log{name: name, log: log}
	if name == Stdout {
		l.out = stdout
		return l, nil
	}
	if err := l.reopen(); err != nil {
		return nil, fmt.Errorf("opening the audit log: %w", err)
	}
	return l, nil
}

// Close closes the file.
func (l *Log) Close() error {
	if l == nil {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.file == nil {
		return nil
	}
	return l.file.Close()
}

// Write writes a line about an event. That a line could not be written is logged, once until one can be again, and does not
// keep the shim from answering.
func (l *Log) Write(e *events.Event) {
	if l == nil {
		return
	}
	line, err := json.Marshal(newRecord(e))
	if err == nil {
		err = l.append(append(line, '\n'))
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case err != nil && !l.failed:
		l.log.Error("the audit log takes no lines", "file", l.name, "error", err)
	case err == nil && l.failed:
		l.log.Warn("the audit log takes lines again: those in between are lost", "file", l.name)
	}
	l.failed = err != nil
}

// append appends a line to the file that has the name now.
func (l *Log) append(line []byte) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.out != nil {
		_, err := l.out.Write(line)
		return err
	}
	if err := l.follow(); err != nil {
		return err
	}
	if l.torn {
		line = append([]byte("\n"), line...)
	}
	n, err := l.file.Write(line)
	l.torn = err != nil && (n > 0 || l.torn)
	return err
}

// follow opens the file anew if it was moved away or removed, as log rotation does.
func (l *Log) follow() error {
	now, err := os.Stat(l.name)
	if err == nil && l.file != nil {
		was, e := l.file.Stat()
		if e == nil && os.SameFile(now, was) {
			return nil
		}
	}
	return l.reopen()
}

func (l *Log) reopen() error {
	f, err := os.OpenFile(l.name, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	if l.file != nil {
		err = l.file.Close()
	}
	l.file, l.torn = f, false
	return err
}

// record is a line. Times are RFC 3339 in UTC. What is not known or does not apply is left out.
type record struct {
	Time     string   `json:"time"` // when the request came
	ID       string   `json:"id"`   // which the text of an error names
	Client   string   `json:"client"`
	User     string   `json:"user,omitempty"` // the name of a client that showed a credential
	Method   string   `json:"method"`
	Path     string   `json:"path"`
	Module   string   `json:"module,omitempty"`
	Version  string   `json:"version,omitempty"`
	Query    string   `json:"query,omitempty"`
	File     string   `json:"file,omitempty"` // what was asked for: info, mod, zip, list, …
	Outcome  string   `json:"outcome"`
	Status   int      `json:"status"`
	Reason   string   `json:"reason,omitempty"` // a word
	Error    string   `json:"error,omitempty"`
	Registry string   `json:"registry,omitempty"`
	Manifest string   `json:"manifest,omitempty"` // digest
	Keys     []string `json:"keys,omitempty"`     // that signed it and are trusted: names in the policy, else digests or identities
	Rule     string   `json:"rule,omitempty"`     // of the policy
	Snapshot *head    `json:"snapshot,omitempty"` // of the checksum database
	Cached   bool     `json:"cached"`
	Bytes    int64    `json:"bytes"`
	Seconds  float64  `json:"seconds"`
}

// head is a tree head of the checksum database: how many records, and the root hash in base64, as in a signed note.
type head struct {
	Records int64  `json:"records"`
	Root    string `json:"root"`
}

func newRecord(e *events.Event) record {
	r := record{
		Time: e.Time.UTC().Format(time.RFC3339Nano), ID: e.ID, Client: e.Client, User: e.User, Method: e.Method, Path: redact.Text(e.Path),
		Module: e.Module.Path, Version: e.Module.Version, Query: e.Query, File: e.Kind,
		Outcome: string(e.Outcome), Status: e.Status, Reason: e.Reason,
		Registry: e.Store, Manifest: e.Manifest.String(), Keys: e.Keys, Rule: e.Rule, Cached: e.Cached,
		Bytes: e.Bytes, Seconds: e.Duration.Seconds(),
	}
	if e.Err != nil {
		r.Error = redact.Text(e.Err.Error())
	}
	if e.Head.N > 0 {
		r.Snapshot = &head{e.Head.N, base64.StdEncoding.EncodeToString(e.Head.Hash[:])}
	}
	return r
}
