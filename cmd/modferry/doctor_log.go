package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/modferry/modferry/artifact/sign"
	"github.com/modferry/modferry/artifact/sumdb"
	"github.com/modferry/modferry/cmd/modferry/internal/shell"
	"github.com/modferry/modferry/registry"
)

// mirrorAgain brings a new snapshot, whatever the module. It is for the connected side.
const mirrorAgain = "modferry mirror --key cosign.key go.sum"

// checksums examines the newest snapshot, what the shim has of it if there is one to ask, and what the go command
// has seen.
func (p *patient) checksums(ctx context.Context, stores *registry.Router, shim bool) []finding {
	var v sign.Verifier = sign.SkipVerify{}
	if p.keys != nil {
		v = p.keys
	}
	s, err := newestSnapshot(ctx, stores, p.log, v)
	list := []finding{p.snapshot(s, err)}
	if s == nil {
		return list
	}
	if shim {
		list = append(list, p.shimHead(ctx, s))
	}
	return append(list, p.clientHead(s))
}

// snapshot says what newestSnapshot found.
func (p *patient) snapshot(s *sumdb.Snapshot, err error) finding {
	f := finding{Check: "snapshot", Value: "of " + p.log.Name(), Status: stateWrong}
	switch {
	case errors.Is(err, registry.ErrNotFound):
		f.Detail = "the store has none: on the connected side, mirroring any public module brings one"
		f.Mend = mirrorAgain
	case errors.Is(err, registry.ErrUnauthorized):
		f.Detail, f.Mend = err.Error(), "docker login "+registryHost(err)
	case errors.Is(err, registry.ErrUnavailable), errors.Is(err, registry.ErrDenied), errors.Is(err, registry.ErrPolicy):
		f.Detail = err.Error()
	case err != nil:
		f.Detail, f.Mend = err.Error()+"; a new one from the connected side takes its place", mirrorAgain
	default:
		f.Status, f.Value = stateOK, describeSnapshot(s)
		if p.keys == nil {
			f.Status, f.Detail = stateNote, "its signature is not checked without --"+flagKey+"; that of the log on it is"
		}
	}
	return f
}

// registryHost is the host to log in to.
func registryHost(err error) string {
	var e *registry.Error
	if errors.As(err, &e) {
		host, _, _ := strings.Cut(e.Registry, "/")
		return host
	}
	return ""
}

func describeSnapshot(s *sumdb.Snapshot) string {
	text := fmt.Sprintf("%s, %d records", s.Log().Name(), s.Head().N)
	if day := s.Captured(); !day.IsZero() {
		text += " on " + day.Format(time.DateOnly)
	}
	return text
}

// shimHead compares the snapshot that the shim serves with the newest one.
func (p *patient) shimHead(ctx context.Context, s *sumdb.Snapshot) finding {
	f := finding{Check: "shim", Status: stateWrong, Value: "serves no snapshot"}
	u, _, err := p.firstProxy()
	var status int
	var body []byte
	if err == nil {
		status, body, err = ask(ctx, u.JoinPath("sumdb", p.log.Name(), "latest"))
	}
	if err == nil && status != http.StatusOK {
		line, _, _ := strings.Cut(strings.TrimSpace(string(body)), "\n")
		err = fmt.Errorf("it answers %d: %s", status, line)
	}
	var h sumdb.Head
	if err == nil {
		h, err = p.log.OpenHead(body)
	}
	if err != nil {
		f.Detail = "is it on the same store, with the right --" + flagKey + " and --" + flagSumDB + "? " + err.Error()
		f.Mend = p.serveCommand(u)
		return f
	}
	r := s.Compare(h)
	f.Value = fmt.Sprintf("serves %d records, %s", h.N, describeRelation(r))
	f.judgeShim(r)
	return f
}

// judgeShim says what the place of the shim's head in the history of the newest snapshot means.
func (f *finding) judgeShim(r sumdb.Relation) {
	switch r {
	case sumdb.Equal:
		f.Status = stateOK
	case sumdb.Older:
		f.Status, f.Detail = stateNote, "it takes the newest snapshot when --"+flagRecheck+" has passed"
	case sumdb.Forked:
		f.Detail = "SECURITY: it has seen another history of the log than the newest snapshot's; one of them is false"
	default:
		f.Detail, f.Mend = "it has seen a snapshot that the newest one in the store does not follow, and does not go back", mirrorAgain
	}
}

// clientHead compares the head that the go command has seen last with the snapshot.
func (p *patient) clientHead(s *sumdb.Snapshot) finding {
	gopath, _, _ := strings.Cut(p.goEnv.get("GOPATH"), string(filepath.ListSeparator))
	name := filepath.Join(gopath, "pkg", "sumdb", filepath.FromSlash(p.log.Name()), "latest")
	f := finding{Check: "client head", From: name}
	note, err := os.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) || err == nil && len(note) == 0 {
		f.Status, f.Value = stateOK, "none yet"
		return f
	}
	var h sumdb.Head
	if err == nil {
		h, err = p.log.OpenHead(note)
	}
	if err != nil {
		f.Status, f.Value, f.Detail, f.Mend = stateWrong, "unreadable", err.Error(), "rm "+shell.Quote(name)
		return f
	}
	r := s.Compare(h)
	f.Value = fmt.Sprintf("%d records, %s", h.N, describeRelation(r))
	f.judge(r, name)
	return f
}

func describeRelation(r sumdb.Relation) string {
	switch r {
	case sumdb.Older, sumdb.Newer:
		return r.String() + " than the snapshot"
	case sumdb.Equal:
		return "equal to the snapshot"
	case sumdb.Forked:
		return "forked from the snapshot"
	}
	return "unknown to the snapshot"
}

// judge says what the place of the client's head in the snapshot's history means.
func (f *finding) judge(r sumdb.Relation, name string) {
	f.Status = stateWrong
	switch r {
	case sumdb.Older, sumdb.Equal:
		f.Status = stateOK
	case sumdb.Newer:
		f.Detail = "this go command has seen a newer head of the log, on the connected side: lookups fail until a newer snapshot comes"
		f.Mend = mirrorAgain
	case sumdb.Forked:
		f.Detail = "SECURITY: this go command has seen another history of the log than the snapshot's; one of them is false. Find out which, and keep the file as evidence"
		f.Mend = fmt.Sprintf("mv %s %s", shell.Quote(name), shell.Quote(name+".forked"))
	default:
		f.Detail = "this go command has seen a head that was never published with a snapshot, and cannot prove what lies between"
		f.Mend = "rm " + shell.Quote(name)
	}
}
