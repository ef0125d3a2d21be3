package remote

import (
	"cmp"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"oras.land/oras-go/v2/registry/remote/auth"
	"oras.land/oras-go/v2/registry/remote/errcode"

	"github.com/modferry/modferry/registry"
	"github.com/modferry/modferry/registry/httpclient"
	"github.com/modferry/modferry/registry/safetext"
)

var (
	errUnexpected  = errors.New("unexpected answer")
	errNotRegistry = errors.New("the answer is not a registry's")

	errTokenRefused = errors.New("the token service refused")
)

const maxErrorBody = 64 << 10 // of an error answer, read

// absentCodes are the error codes that say that a repository, manifest or blob does not exist. The last is Harbor's.
var absentCodes = []string{
	errcode.ErrorCodeNameUnknown, errcode.ErrorCodeManifestUnknown, errcode.ErrorCodeBlobUnknown, "NOT_FOUND",
}

// What Harbor says, where nothing but the text of its message tells one case from another.
var (
	// scanStatus: a vulnerability scan has not ended, so the refusal does not stay.
	scanStatus = regexp.MustCompile(`with "(Pending|Running|Scheduled)" status of vulnerability scanning`)
	// unscanned: there was none, and perhaps nobody has asked for one.
	unscanned = regexp.MustCompile(`(?i)without vulnerability scanning|\bnot scanned\b`)
	// unsigned: its policy wants a signature, of whomever.
	unsigned = regexp.MustCompile(`(?i)\bnot signed\b`)
	// takesNothing: the project's quota, or read-only mode.
	takesNothing = regexp.MustCompile(`(?i)exceed the configured upper limit|read.only mode`)
	// lacksRight: the login was good, but a right is missing, or the project is.
	lacksRight = regexp.MustCompile(`action: ([a-z]+)`)
)

// checkedClient is the HTTP client below oras-go. It turns every answer of status 400 and above into an *Error while
// the registry's message is still at hand; oras-go drops that of a 404, and with it who said so.
type checkedClient struct {
	auth     *auth.Client
	tokens   *tokens
	accounts *accounts
	answered sync.Map // the hosts that ever did
}

// observe sees all answers, the token service's included.
func (c *checkedClient) observe(resp *http.Response) {
	c.answered.Store(resp.Request.URL.Host, true)
	c.tokens.observe(resp)
}

// Do implements oras-go's remote.Client.
func (c *checkedClient) Do(req *http.Request) (*http.Response, error) {
	resp, err := c.auth.Do(req)
	var e *registry.Error
	switch {
	case err != nil && req.Context().Err() != nil:
		return nil, context.Cause(req.Context())
	case errors.Is(err, errContent):
		return nil, err
	case err != nil:
		e = c.noAnswer(req, err)
	case resp.StatusCode >= 400:
		e = badAnswer(resp)
	default:
		return resp, nil
	}
	e.Registry = req.URL.Host
	e.Account = c.accounts.of(req.Context(), req.URL.Host)
	if e.Status == http.StatusUnauthorized && e.Account != "" && lacksRight.MatchString(e.Message) {
		e.Err = registry.ErrDenied // Harbor never says 403
	}
	e.Hint = cmp.Or(e.Hint, advice(e))
	return nil, e
}

// noAnswer classifies an error of the auth client: of the network, or of its own on the way to a token.
func (c *checkedClient) noAnswer(req *http.Request, err error) *registry.Error {
	var token *errcode.ErrorResponse
	if errors.As(err, &token) {
		return tokenRefused(token)
	}
	var u *url.Error
	if errors.As(err, &u) {
		e := networkError(u.Err)
		var dial *net.OpError
		if _, ever := c.answered.Load(req.URL.Host); !ever && errors.As(err, &dial) && dial.Op == "dial" {
			e.Err = fmt.Errorf("%w: %w", registry.ErrUnreachable, u.Err)
			e.Permanent, e.Hint = true, "check the registry's name and port"
		}
		return e
	}
	e := &registry.Error{Err: fmt.Errorf("%w: %w", registry.ErrUnauthorized, err)}
	if errors.Is(err, auth.ErrBasicCredentialNotFound) {
		e.Err = fmt.Errorf("%w: no credentials", registry.ErrUnauthorized)
	} else if realm := c.tokens.realmHost(req.URL.Host); realm != "" && realm != req.URL.Hostname() {
		e.Hint = fmt.Sprintf("its token service is on %s: unless that is a public address, it must have the registry's own host name", realm)
	}
	return e
}

// tokenRefused is the answer of a registry's token service.
func tokenRefused(t *errcode.ErrorResponse) *registry.Error {
	e := &registry.Error{Status: t.StatusCode, Err: fmt.Errorf("%w: %w", registry.ErrUnauthorized, errTokenRefused)}
	if len(t.Errors) > 0 {
		e.Code, e.Message = t.Errors[0].Code, safetext.Lines([]byte(t.Errors[0].Message))
	}
	if t.StatusCode == http.StatusTooManyRequests || t.StatusCode >= 500 {
		e.Err = fmt.Errorf("%w: its token service failed", registry.ErrUnavailable)
	}
	return e
}

// networkError says that there was no answer or that it broke off. err must not
// be a *url.Error, whose text has query parameters in it that may be secret.
func networkError(err error) *registry.Error {
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	e := &registry.Error{Err: fmt.Errorf("%w: %w", registry.ErrUnavailable, err)}
	var dns *net.DNSError
	var cert *tls.CertificateVerificationError
	switch {
	case errors.Is(err, http.ErrSchemeMismatch):
		e.Permanent, e.Hint = true, "write http:// in front of the registry if it has no TLS"
	case errors.As(err, &cert):
		e.Permanent, e.Hint = true, "give the registry's CA certificate with --ca-file"
	case errors.As(err, &dns) && dns.IsNotFound:
		e.Permanent, e.Hint = true, "check the registry's name"
	}
	return e
}

// badAnswer classifies an answer of status 400 and above, and closes it.
func badAnswer(resp *http.Response) *registry.Error {
	defer resp.Body.Close()
	e := &registry.Error{Status: resp.StatusCode, Err: errUnexpected}
	e.Code, e.Message = errorBody(resp)
	switch resp.StatusCode {
	case http.StatusUnauthorized:
		e.Err = registry.ErrUnauthorized
	case http.StatusForbidden:
		e.Err = registry.ErrDenied
		if takesNothing.MatchString(e.Message) {
			e.Err = registry.ErrReadOnly
		}
	case http.StatusNotFound:
		e.Err = notFound(resp, e.Code)
	case http.StatusMethodNotAllowed, http.StatusNotImplemented:
		e.Err = registry.ErrUnsupported
	case http.StatusPreconditionFailed:
		e.Err = registry.ErrPolicy
		e.ScanPending = scanStatus.MatchString(e.Message)
		e.Unscanned = unscanned.MatchString(e.Message)
		e.Unsigned = unsigned.MatchString(e.Message)
	case http.StatusRequestTimeout, http.StatusTooManyRequests:
		e.Err = registry.ErrUnavailable
	default:
		if resp.StatusCode >= 500 {
			e.Err = registry.ErrUnavailable
		}
	}
	e.RetryAfter = httpclient.RetryAfter(resp.Header.Get("Retry-After"), time.Now())
	return e
}

// notFound tells a registry's "does not exist" from the 404 of something else that happens to answer at this address.
func notFound(resp *http.Response, code string) error {
	switch {
	case slices.Contains(absentCodes, code):
		return registry.ErrNotFound
	case code == errcode.ErrorCodeBlobUploadUnknown:
		// An upload does not outlive a restart of the registry.
		return fmt.Errorf("%w: it lost the upload", registry.ErrUnavailable)
	case code == errcode.ErrorCodeUnsupported:
		return registry.ErrUnsupported
	case code == "" && resp.Header.Get("Docker-Distribution-Api-Version") != "":
		return registry.ErrNotFound
	case code == "":
		return errNotRegistry
	}
	return errUnexpected
}

// errorBody reads the first error of an answer's body (distribution-spec, "Error Codes"), or a line of plain text.
func errorBody(resp *http.Response) (code, message string) {
	data, err := io.ReadAll(io.LimitReader(resp.Body, maxErrorBody))
	if err != nil && len(data) == 0 {
		return "", ""
	}
	var body struct {
		Errors []struct {
			Code    string `json:"code"`
			Message string `json:"message"`
		} `json:"errors"`
	}
	if json.Unmarshal(data, &body) == nil && len(body.Errors) > 0 {
		return strings.ToUpper(safetext.Lines([]byte(body.Errors[0].Code))), safetext.Lines([]byte(body.Errors[0].Message))
	}
	if mt, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type")); mt == "text/plain" {
		return "", safetext.Lines(data)
	}
	return "", ""
}

// advice says what the user can do about an answer.
func advice(e *registry.Error) string {
	switch {
	case errors.Is(e.Err, registry.ErrUnauthorized) && e.Account == "":
		return "log in with: docker login " + e.Registry
	case errors.Is(e.Err, registry.ErrDenied) && lacksRight.MatchString(e.Message):
		right := lacksRight.FindStringSubmatch(e.Message)[1]
		return "its password is right: create the project if it does not exist, or give the account the right to " + right + " in it"
	case errors.Is(e.Err, errTokenRefused):
		return "check the password, and that the account is neither disabled nor expired"
	case errors.Is(e.Err, registry.ErrUnauthorized):
		return "check that the project exists and that the account's password is right"
	case errors.Is(e.Err, registry.ErrReadOnly):
		return "raise the project's quota, delete what is not needed and let the registry collect garbage, or end its read-only mode"
	case errors.Is(e.Err, registry.ErrDenied):
		return "check what the account may do in this project"
	case errors.Is(e.Err, errNotRegistry):
		return "is " + e.Registry + " a registry?"
	}
	return ""
}
