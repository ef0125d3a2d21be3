package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"

	"github.com/modferry/modferry/registry/redact"
)

// probeTime is how long doctor waits for the shim.
const probeTime = 5 * time.Second

// firstProxy is the entry of GOPROXY that the go command asks first, and what follows it.
func (p *patient) firstProxy() (u *url.URL, rest string, err error) {
	first, rest, _ := strings.Cut(strings.ReplaceAll(p.goEnv.get("GOPROXY"), "|", ","), ",")
	if u, err = url.Parse(first); err == nil && strings.Contains(u.Path+u.RawQuery+u.Fragment, "@") {
		err = errors.New("what was meant as user and password is none") // and what looks like the host may be part of it
	}
	return u, rest, err
}

// proxy examines GOPROXY: the shim alone, which answers the question that keeps the go command from dialling the
// log itself.
func (p *patient) proxy(ctx context.Context) finding {
	list := p.goEnv.get("GOPROXY")
	f := finding{
		Check: "GOPROXY", Status: stateWrong, Value: shownList(list), From: p.goEnv.from("GOPROXY"),
		Mend: p.goEnv.set("GOPROXY", p.shim),
	}
	u, rest, err := p.firstProxy()
	switch {
	case err == nil && u.String() == "off":
		f.Detail = "the go command downloads nothing"
	case err == nil && u.String() == "direct":
		f.Detail = "the go command goes to the origin of each module"
	case err != nil || !isHTTP(u):
		f.Detail = "it is no shim: the go command dials " + p.log.Name() + " itself"
	case rest != "" && rest != "off":
		f.Detail = "what the first of them does not have is looked for elsewhere"
		if p.isShim(u) {
			f.Mend = p.goEnv.set(f.Check, u.String())
		}
	default:
		p.probe(ctx, &f, u)
	}
	return f
}

// isShim says whether u can be taken for the shim without asking it.
func (p *patient) isShim(u *url.URL) bool {
	local, err := isLoopback(u.Host)
	return u.String() == p.shim || err == nil && local
}

// serveCommand starts the shim that listens at u.
func (p *patient) serveCommand(u *url.URL) string {
	cmd := "modferry serve --key cosign.pub"
	if u != nil && u.Host != defaultListen {
		cmd += " --listen " + u.Host
	}
	return cmd
}

// probe asks what the go command asks before its first look into the checksum database, and whether it is a shim
// that answers.
func (p *patient) probe(ctx context.Context, f *finding, u *url.URL) {
	status, _, err := ask(ctx, u.JoinPath("sumdb", p.log.Name(), "supported"))
	switch {
	case err != nil:
		f.Detail = fmt.Sprintf("it does not answer: %v", err)
		if p.isShim(u) {
			f.Mend = p.serveCommand(u)
		}
		return
	case status == http.StatusNotFound || status == http.StatusGone:
		f.Detail = "it does not serve the checksum database: the go command dials " + p.log.Name() + " itself"
		return
	case status != http.StatusOK:
		f.Detail = fmt.Sprintf("asked for the checksum database, it answers %d", status)
		return
	}
	if status, _, err = ask(ctx, u.JoinPath("-", "healthz")); err != nil || status != http.StatusOK {
		f.Detail = "it is a proxy, and not a modferry shim"
		return
	}
	f.Status, f.Mend = stateOK, ""
}

// ask makes one request and returns the answer, of which a few kilobytes are of interest.
func ask(ctx context.Context, u *url.URL) (status int, body []byte, err error) {
	ctx, cancel := context.WithTimeout(ctx, probeTime)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return 0, nil, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer resp.Body.Close()
	body, err = io.ReadAll(io.LimitReader(resp.Body, 8<<10))
	return resp.StatusCode, body, err
}

// listEntry is an entry of a GOPROXY list.
var listEntry = regexp.MustCompile(`[^,|]+`)

// shownList returns a GOPROXY list without credentials. Its entries may lack their scheme, without which nobody could
// tell a token from the name of a module, and the go command takes a space for a part of the URL.
func shownList(list string) string {
	return redact.Text(listEntry.ReplaceAllStringFunc(redact.Text(list), func(entry string) string {
		entry = strings.ReplaceAll(strings.TrimSpace(entry), " ", "%20")
		if strings.Contains(entry, "@") && !strings.Contains(entry, "://") {
			return "https://" + entry
		}
		return entry
	}))
}
