package proxyshim

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"syscall"
	"unicode"

	"golang.org/x/mod/module"

	"github.com/modferry/modferry/artifact/sumdb"
	"github.com/modferry/modferry/proxyshim/events"
	"github.com/modferry/modferry/registry"
	"github.com/modferry/modferry/registry/redact"
	"github.com/modferry/modferry/registry/verify"
)

// maxText is how much of an answer the go command shows, in bytes (8 lines of 81); a longer line it drops altogether.
const maxText = 640

// fail answers a request that cannot be served. Only what does not exist gets a 404, for the go command then asks the
// next proxy in its list; everything else stops it.
func (h *Handler) fail(w http.ResponseWriter, r *http.Request, q request, err error) {
	if r.Context().Err() != nil {
		// Most likely nobody is there to read it. But a client may have closed its half of the
		// connection only, and without any answer it would get an empty 200.
		answer(w, r, http.StatusServiceUnavailable, "the request was cancelled")
		return
	}
	status, text := describe(q.module, err)
	if q.kind != kindLookup || !h.isPrivate(q.module.Path) {
		missed := status == http.StatusNotFound || errors.Is(err, verify.ErrUnrecorded) // both are what mirror mends
		h.wishes.answered(q, missed, false, h.now())
	}
	e := events.Of(r.Context())
	outcome := failedWith(status, err)
	e.Failed(outcome, err)
	if outcome != events.Absent {
		text = redact.Text(text)
	}
	switch {
	case outcome == events.Refused:
		h.report(Failure{events.Refused, q.module, err}, "verification failed",
			"module", q.module.Path, "version", q.module.Version, "client", r.RemoteAddr, e.Attr())
	case outcome != events.Absent:
		h.report(Failure{outcome, q.module, err}, "request failed", "status", status, "path", r.URL.Path, "client", r.RemoteAddr, e.Attr())
	}
	answer(w, r, status, text)
}

// failedWith returns what became of a request that failed with err, which is answered with that status.
func failedWith(status int, err error) events.Outcome {
	switch {
	case status == http.StatusNotFound:
		return events.Absent
	case isSecurity(err):
		return events.Refused
	case errors.Is(err, registry.ErrPolicy):
		return events.HeldBack
	case status == http.StatusForbidden:
		return events.Denied
	case status < http.StatusInternalServerError:
		return events.Invalid
	}
	return events.Unavailable
}

// describe returns the HTTP status for err, and what to tell the user. The order
// matters: an error may wrap several causes, and the strictest one counts.
func describe(m module.Version, err error) (status int, text string) {
	if absent, ok := errors.AsType[*absence](err); ok {
		return http.StatusNotFound, absent.text
	}
	class := verify.Classify(err)
	switch {
	case isSecurity(err):
		return http.StatusForbidden, "SECURITY: " + err.Error()
	case errors.Is(err, registry.ErrPolicy):
		return http.StatusForbidden, policyText(m, err)
	case class == verify.Denied:
		return http.StatusForbidden, deniedText(m, err)
	case errors.Is(err, registry.ErrBlocked):
		return http.StatusForbidden, "blocked: " + err.Error()
	case errors.Is(err, errOtherLog):
		return http.StatusForbidden, "refused: " + err.Error()
	case errors.Is(err, errModOnly):
		return http.StatusNotFound, fmt.Sprintf("not found: of %s only go.mod is mirrored; for the zip: modferry mirror %[1]s", m)
	case errors.Is(err, errNoModule), errors.Is(err, sumdb.ErrBadTile):
		return http.StatusNotFound, "not found: " + err.Error()
	case errors.Is(err, errSyntax):
		return http.StatusBadRequest, "bad request: " + err.Error()
	case class == verify.Unavailable && verify.IsTimeout(err):
		return http.StatusGatewayTimeout, "the store did not answer in time: " + err.Error()
	case errors.Is(err, errClosed):
		return http.StatusServiceUnavailable, err.Error()
	case isDiskFull(err):
		return http.StatusInsufficientStorage, "the shim's cache directory is full: " + err.Error()
	case class == verify.Unavailable, isRegistryError(err):
		return http.StatusBadGateway, "the store failed: " + err.Error()
	default:
		return http.StatusInternalServerError, err.Error()
	}
}

// isSecurity: what the store has is not what it claims to be, or nobody we trust
// vouches for it. (What a policy of the registry refuses may be all that.)
func isSecurity(err error) bool {
	return verify.Classify(err).IsRefusal() && !errors.Is(err, registry.ErrPolicy)
}

// isDiskFull: the cache directory takes no more.
func isDiskFull(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) || errors.Is(err, syscall.EFBIG)
}

func isRegistryError(err error) bool {
	var answer *registry.Error
	return errors.As(err, &answer)
}

// policyText gives the registry's own words, for only it knows its policy, and says who can do something about it.
func policyText(m module.Version, err error) string {
	var answer *registry.Error
	if !errors.As(err, &answer) {
		return err.Error()
	}
	project, _, _ := strings.Cut(answer.Repository, "/")
	advice := fmt.Sprintf("ask whoever administers the project %s of %s, or take another version", project, answer.Registry)
	switch {
	case answer.ScanPending:
		advice = "try again in a minute, when its scan has ended"
	case answer.Unscanned:
		advice = fmt.Sprintf("ask whoever administers the project %s of %s to have it scanned", project, answer.Registry)
	case answer.Unsigned:
		advice = "if it was replicated a moment ago its signature may be on its way: try again; else have it signed by modferry mirror"
	}
	return fmt.Sprintf("%s: %s holds it back by policy: %s\nWhat to do: %s.",
		subject(m), answer.Registry, cmp.Or(answer.Message, answer.Code, "no reason given"), advice)
}

// subject names what was asked for.
func subject(m module.Version) string { return cmp.Or(m.String(), "checksum database") }

func deniedText(m module.Version, err error) string {
	var answer *registry.Error
	if !errors.As(err, &answer) {
		return err.Error()
	}
	hint := cmp.Or(answer.Hint, "check that the project exists, that the account may pull from it, and that its password is valid (docker login "+answer.Registry+")")
	return fmt.Sprintf("%s: %s refused access to %s for %s: %s\nWhat to do: %s.",
		subject(m), answer.Registry, answer.Repository, cmp.Or(answer.Account, "anonymous"), cmp.Or(answer.Message, answer.Code, "no reason given"), hint)
}

// answer writes a text/plain answer to r, one that is an error with the ID by which it is found.
func answer(w http.ResponseWriter, r *http.Request, status int, text string) {
	if status >= http.StatusBadRequest {
		line := events.Of(r.Context()).Line()
		text = shorten(text, maxText-len(line)) + line
	}
	header := w.Header()
	header.Set("Content-Type", typeText)
	header.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, plain(text)+"\n")
}

// plain returns text as the go command is willing to show it: graphic characters and single line feeds, not too long.
func plain(text string) string {
	if !isPlainASCII(text) {
		text = strings.Map(func(r rune) rune {
			if r == '\n' || unicode.IsGraphic(r) {
				return r
			}
			return ' '
		}, strings.ToValidUTF8(text, "?"))
	}
	return shorten(text, maxText)
}

// isPlainASCII reports whether plain would change no character, as nearly always.
func isPlainASCII(text string) bool {
	for i := range len(text) {
		if c := text[i]; (c < ' ' || c > '~') && c != '\n' {
			return false
		}
	}
	return true
}

// shorten returns at most so many bytes of text.
func shorten(text string, limit int) string {
	if len(text) > limit {
		text = strings.ToValidUTF8(text[:limit-len("…")], "") + "…"
	}
	return text
}
