package doctor

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

	"github.com/modferry/modferry/artifact/sumdb"
	"github.com/modferry/modferry/cmd/modferry/internal/shell"
	"github.com/modferry/modferry/registry"
)

// mirrorAgain brings a new snapshot, whatever the module. It is for the connected side.
const mirrorAgain = "modferry mirror --key cosign.key go.sum"

// store says whether the store answers, and to whom.
func (e *examination) store(ctx context.Context) Finding {
	var f Finding
	switch err := e.List(ctx); {
	case err == nil:
		f = ok("")
	case errors.Is(err, registry.ErrNoLayout):
		f = wrong(err.Error(), mirrorAgain)
	case errors.Is(err, registry.ErrDenied), errors.Is(err, registry.ErrUnsupported):
		f = note(err.Error())
	case errors.Is(err, registry.ErrUnauthorized):
		f = wrong(err.Error(), "docker login "+registryHost(err))
	default:
		f = wrong(err.Error(), "")
	}
	f.Check, f.Value = "store", e.Store
	return f
}

// push says whether the store takes content of this account.
func (e *examination) push(ctx context.Context) Finding {
	var f Finding
	switch left, err := e.Push(ctx); {
	case errors.Is(err, registry.ErrUnauthorized):
		f = wrong(err.Error(), "docker login "+registryHost(err))
	case err != nil:
		f = wrong(err.Error(), "")
	case left:
		f = note("it takes content; the upload that was begun to find out, with nothing in it, could not be cancelled, and stays until the registry drops it")
	default:
		f = ok("it takes content; whether a quota suffices only pushing tells")
	}
	f.Check, f.Value = "push", e.Store
	return f
}

// snapshot says what reading the newest snapshot came to.
func (e *examination) snapshot(s *sumdb.Snapshot, err error) Finding {
	var f Finding
	switch {
	case errors.Is(err, registry.ErrNotFound):
		f = wrong("the store has none: on the connected side, mirroring any public module brings one", mirrorAgain)
	case errors.Is(err, registry.ErrUnauthorized):
		f = wrong(err.Error(), "docker login "+registryHost(err))
	case errors.Is(err, registry.ErrUnavailable), errors.Is(err, registry.ErrDenied), errors.Is(err, registry.ErrPolicy):
		f = wrong(err.Error(), "")
	case err != nil:
		f = wrong(err.Error()+"; a new one from the connected side takes its place", mirrorAgain)
	case e.Unsigned:
		f = note("its signature is not checked without --key or --policy; that of the log on it is")
	default:
		f = ok("")
	}
	f.Check, f.Value = "snapshot", "of "+e.Log.Name()
	if err == nil {
		f.Value = fmt.Sprintf("%s, %d records", s.Log().Name(), s.Head().N)
		if day := s.Captured(); !day.IsZero() {
			f.Value += " on " + day.Format(time.DateOnly)
		}
	}
	return f
}

// registryHost is the host to log in to.
func registryHost(err error) string {
	if e, ok := errors.AsType[*registry.Error](err); ok {
		host, _, _ := strings.Cut(e.Registry, "/")
		return host
	}
	return ""
}

// shimHead compares the snapshot that the shim serves with the newest one.
func (e *examination) shimHead(ctx context.Context, s *sumdb.Snapshot) Finding {
	u, _ := e.firstProxy()
	status, body, err := ask(ctx, u.JoinPath("sumdb", e.Log.Name(), "latest"))
	if err == nil && status != http.StatusOK {
		line, _, _ := strings.Cut(strings.TrimSpace(string(body)), "\n")
		err = fmt.Errorf("it answers %d: %s", status, line)
	}
	var h sumdb.Head
	if err == nil {
		h, err = e.Log.OpenHead(body)
	}
	if err != nil {
		f := wrong("is it on the same store, with the right --key and --sumdb? "+err.Error(), e.serveCommand(u))
		f.Check, f.Value = "shim", "serves no snapshot"
		return f
	}
	relation := s.Compare(h)
	var f Finding
	switch relation {
	case sumdb.Equal:
		f = ok("")
	case sumdb.Older:
		f = note("it takes the newest snapshot when --recheck has passed")
	case sumdb.Forked:
		f = wrong("SECURITY: it has seen another history of the log than the newest snapshot's; one of them is false", "")
	default:
		f = wrong("it has seen a snapshot that the newest one in the store does not follow, and does not go back", mirrorAgain)
	}
	f.Check, f.Value = "shim", fmt.Sprintf("serves %d records, %s", h.N, relationText(relation))
	return f
}

// clientHead compares the head that the go command has seen last with the snapshot.
func (e *examination) clientHead(s *sumdb.Snapshot) Finding {
	gopath, _, _ := strings.Cut(e.env.values["GOPATH"], string(filepath.ListSeparator))
	name := filepath.Join(gopath, "pkg", "sumdb", filepath.FromSlash(e.Log.Name()), "latest")
	f, value := e.compareClient(s, name)
	f.Check, f.Value, f.From = "client head", value, name
	return f
}

// compareClient compares the head in a file of the go command's, and describes it.
func (e *examination) compareClient(s *sumdb.Snapshot, name string) (f Finding, value string) {
	data, err := os.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) || err == nil && len(data) == 0 {
		return ok(""), "none yet"
	}
	remove := "rm " + shell.Quote(name)
	var h sumdb.Head
	if err == nil {
		h, err = e.Log.OpenHead(data)
	}
	if err != nil {
		return wrong(err.Error(), remove), "unreadable"
	}
	relation := s.Compare(h)
	switch relation {
	case sumdb.Older, sumdb.Equal:
		f = ok("")
	case sumdb.Newer:
		f = wrong("this go command has seen a newer head of the log, on the connected side: lookups fail until a newer snapshot comes", mirrorAgain)
	case sumdb.Forked:
		f = wrong("SECURITY: this go command has seen another history of the log than the snapshot's; one of them is false. Find out which, and keep the file as evidence",
			"mv "+shell.Quote(name)+" "+shell.Quote(name+".forked"))
	default:
		f = wrong("this go command has seen a head that was never published with a snapshot, and cannot prove what lies between", remove)
	}
	return f, fmt.Sprintf("%d records, %s", h.N, relationText(relation))
}

// relationText says what a head is to the snapshot.
func relationText(r sumdb.Relation) string {
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
