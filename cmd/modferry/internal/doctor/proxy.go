package doctor

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"

	"github.com/modferry/modferry/registry/redact"
	"github.com/modferry/modferry/registry/safetext"
)

// probeTime is how long doctor waits for the shim.
const probeTime = 5 * time.Second

// firstProxy is the entry of GOPROXY that the go command asks first, and what follows it. The URL is empty if it is none.
func (e *examination) firstProxy() (u *url.URL, rest string) {
	first, rest, _ := strings.Cut(strings.ReplaceAll(e.env.values["GOPROXY"], "|", ","), ",")
	u, err := url.Parse(first)
	if err != nil || strings.Contains(u.Path+u.RawQuery+u.Fragment, "@") {
		u = new(url.URL) // of the latter, what looks like the host may be part of a password
	}
	return u, rest
}

// proxy examines GOPROXY: the shim alone, which answers the question that keeps the go command from dialling the
// log itself.
func (e *examination) proxy(ctx context.Context) Finding {
	u, rest := e.firstProxy()
	mend := e.env.set("GOPROXY", e.Shim)
	var f Finding
	switch {
	case u.String() == "off":
		f = wrong("the go command downloads nothing", mend)
	case u.String() == "direct":
		f = wrong("the go command goes to the origin of each module", mend)
	case u.Host == "" || u.Scheme != "http" && u.Scheme != "https":
		f = wrong("it is no shim: the go command dials "+e.Log.Name()+" itself", mend)
	case rest != "" && rest != "off":
		if e.isShim(u) {
			mend = e.env.set("GOPROXY", u.String())
		}
		f = wrong("what the first of them does not have is looked for elsewhere", mend)
	default:
		f = e.probe(ctx, u, mend)
	}
	f.Check, f.Value, f.From = "GOPROXY", shownList(e.env.values["GOPROXY"]), e.env.from("GOPROXY")
	return f
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

// isShim says whether u can be taken for the shim without asking it.
func (e *examination) isShim(u *url.URL) bool {
	ip := net.ParseIP(u.Hostname())
	return u.String() == e.Shim || u.Hostname() == "localhost" || ip != nil && ip.IsLoopback()
}

// serveCommand starts the shim that listens at u; nil = where it does by default.
func (e *examination) serveCommand(u *url.URL) string {
	if u == nil || u.Host == e.Listen {
		return "modferry serve --key cosign.pub"
	}
	return "modferry serve --key cosign.pub --listen " + u.Host
}

// probe asks what the go command asks before its first look into the checksum database, and whether it is a shim
// that answers.
func (e *examination) probe(ctx context.Context, u *url.URL, mend string) Finding {
	status, _, err := ask(ctx, u.JoinPath("sumdb", e.Log.Name(), "supported"))
	switch {
	case err != nil && e.isShim(u):
		return wrong(fmt.Sprintf("it does not answer: %v", err), e.serveCommand(u))
	case err != nil:
		return wrong(fmt.Sprintf("it does not answer: %v", err), mend)
	case status == http.StatusNotFound || status == http.StatusGone:
		return wrong("it does not serve the checksum database: the go command dials "+e.Log.Name()+" itself", mend)
	case status == http.StatusMisdirectedRequest:
		return wrong("it does not answer for the host "+u.Hostname(), e.serveCommand(nil)+" --allow-host "+u.Hostname())
	case status != http.StatusOK:
		return wrong(fmt.Sprintf("asked for the checksum database, it answers %d", status), mend)
	}
	if status, _, err = ask(ctx, u.JoinPath("-", "healthz")); err != nil || status != http.StatusOK {
		return wrong("it is a proxy, and not a modferry shim", mend)
	}
	return ok("")
}

// Ready asks the shim at a URL whether it is ready, and returns what it says, a line for each condition. What it says
// when it is not is in the error. Where own is true the URL is http:// and an address of this machine, and a shim
// that serves HTTPS there is asked so. Its certificate is for the name that clients know, and not looked at: as a
// kubelet's, the question shows no credential, and all that is believed is the answer.
func Ready(ctx context.Context, shim string, own bool) (string, error) {
	u, err := url.Parse(shim)
	if err != nil {
		return "", err
	}
	u = u.JoinPath("-", "readyz")
	status, body, err := ask(ctx, u)
	if own && status == http.StatusBadRequest { // which is what a server of HTTPS answers
		u.Scheme = "https"
		unverified := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}} //nolint:gosec // see above
		defer unverified.CloseIdleConnections()
		status, body, err = askBy(ctx, &http.Client{Transport: unverified}, u)
	}
	if named, ok := errors.AsType[*url.Error](err); ok {
		err = named.Err // the URL need not be named twice
	}
	switch {
	case err != nil:
		return "", fmt.Errorf("the shim at %s does not answer: %w", shim, err)
	case status != http.StatusOK:
		return "", fmt.Errorf("the shim at %s is not ready, %d: %s", shim, status, safetext.Lines(body))
	}
	var text strings.Builder
	for line := range bytes.Lines(body) {
		text.WriteString(safetext.Lines(line) + "\n")
	}
	return text.String(), nil
}

// ask makes one request and returns the answer, of which a few kilobytes are of interest.
func ask(ctx context.Context, u *url.URL) (status int, body []byte, err error) {
	return askBy(ctx, http.DefaultClient, u)
}

func askBy(ctx context.Context, client *http.Client, u *url.URL) (status int, body []byte, err error) {
	ctx, cancel := context.WithTimeout(ctx, probeTime)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return 0, nil, err
	}
	resp, err := client.Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer resp.Body.Close()
	body, err = io.ReadAll(io.LimitReader(resp.Body, 8<<10))
	return resp.StatusCode, body, err
}
