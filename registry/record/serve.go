package record

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"strings"

	"golang.org/x/mod/module"

	"github.com/modferry/modferry/artifact"
	"github.com/modferry/modferry/artifact/goproxy"
	"github.com/modferry/modferry/registry/safetext"
)

// maxInfo is the most that is read of an .info file or an answer to @latest.
const maxInfo = 1 << 20

// sumDB is the kind of a file of a checksum database, which is passed through. It has nothing but the kind.
const sumDB goproxy.Kind = "checksum database"

// parseRequest takes apart what follows a proxy's address. Of the files of a checksum database, only the form is checked.
func parseRequest(name string) (goproxy.File, error) {
	if rest, ok := strings.CutPrefix(name, "sumdb/"); ok {
		return goproxy.File{Kind: sumDB}, module.CheckFilePath(rest)
	}
	f, err := goproxy.Parse(name)
	if err == nil && (f.Kind == goproxy.Mod || f.Kind == goproxy.Zip) && !f.HasVersion() {
		err = fmt.Errorf("%q is no version of %s", f.Version.Version, f.Path)
	}
	return f, err
}

// serve answers a request from the source.
func (p *Proxy) serve(w http.ResponseWriter, r *http.Request) {
	name, ok := strings.CutPrefix(r.URL.Path, "/"+p.secret+"/")
	if !ok {
		refuse(w, http.StatusNotFound, "not found: this address is not the one for GOPROXY")
		return
	}
	if r.Method != http.MethodGet {
		w.Header().Set("Allow", "GET")
		refuse(w, http.StatusMethodNotAllowed, "only GET is known here")
		return
	}
	q, err := parseRequest(name)
	if err != nil {
		refuse(w, http.StatusNotFound, "not found: not a file of the GOPROXY protocol: "+err.Error())
		return
	}
	if p.hides(q) {
		refuse(w, http.StatusNotFound, "not found: nobody was asked")
		return
	}
	body, err := p.src.Open(r.Context(), name)
	if err != nil {
		p.settled(q, err)
		p.log.Debug("not served", "file", name, "error", err)
		status, text := http.StatusBadGateway, err.Error()
		if errors.Is(err, fs.ErrNotExist) {
			status, text = http.StatusNotFound, "not found: "+text
		}
		refuse(w, status, text)
		return
	}
	defer body.Close()
	w.Header().Set("Content-Type", "application/octet-stream")
	if err := p.send(w, body, q); err != nil {
		p.log.Debug("not served to the end", "file", name, "error", err)
		panic(http.ErrAbortHandler) // the client must not take what it got for all
	}
}

// send copies a file to a client and records that. It does so before the client
// can see the end of the body, so that a go command that has ended has all it fetched in the record.
func (p *Proxy) send(w http.ResponseWriter, body io.Reader, q goproxy.File) error {
	var head bytes.Buffer
	if q.Kind == goproxy.Info || q.Kind == goproxy.Latest {
		body = io.TeeReader(io.LimitReader(body, maxInfo), &head)
	}
	if _, err := io.Copy(w, body); err != nil {
		p.settled(q, err)
		return err
	}
	p.record(q, head.Bytes())
	return nil
}

// record records that a file was served; data is all of it if it is of JSON.
func (p *Proxy) record(q goproxy.File, data []byte) {
	p.settled(q, nil)
	switch {
	case q.Kind == goproxy.List || q.Kind == sumDB:
		return
	case q.Kind != goproxy.Latest && goproxy.IsVersion(q.Version):
		p.served(q.Version, q.Kind, "")
		return
	}
	var info struct{ Version string }
	if json.Unmarshal(data, &info) != nil {
		return // the go command says what is wrong with it
	}
	m := module.Version{Path: q.Path, Version: info.Version}
	if !goproxy.IsVersion(m) {
		return
	}
	revision := ""
	if q.Kind == goproxy.Info {
		name, ok := artifact.RevisionName(q.Version.Version, m.Version, artifact.OriginHash(data))
		if ok {
			revision = name
		}
	}
	p.served(m, goproxy.Info, revision)
}

// refuse answers with an error that the go command shows: text/plain, one line.
func refuse(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(status)
	fmt.Fprintln(w, safetext.Lines([]byte(text)))
}
