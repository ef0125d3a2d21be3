package httpclient

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// answering is a registry that answers at once. What follows content never comes, if
// it is silent then; otherwise nothing follows.
type answering struct {
	content string
	silent  bool
}

func (a answering) RoundTrip(req *http.Request) (*http.Response, error) {
	body := &connection{Request: req, rest: strings.NewReader(a.content), silent: a.silent}
	return &http.Response{StatusCode: http.StatusOK, Body: io.NopCloser(body), Request: req}, nil
}

// connection breaks when the request's context ends, as those of a real transport do.
type connection struct {
	*http.Request
	rest   *strings.Reader
	silent bool
}

func (c *connection) Read(p []byte) (int, error) {
	if c.silent && c.rest.Len() == 0 {
		<-c.Context().Done()
	}
	if err := c.Context().Err(); err != nil {
		return 0, err
	}
	return c.rest.Read(p)
}

func TestSlowReaderIsNotASlowRegistry(t *testing.T) {
	for name, test := range map[string]struct {
		silent bool
		want   error
	}{
		"slow reader":   {false, nil},
		"slow registry": {true, ErrStalled},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				rt := &Transport{Base: answering{"some content", test.silent}, Limit: time.Minute}
				req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://registry.invalid/", nil)
				if err != nil {
					t.Fatal(err)
				}
				resp, err := rt.RoundTrip(req)
				if err != nil {
					t.Fatal(err)
				}
				defer resp.Body.Close()
				time.Sleep(time.Hour) // longer than the registry may be silent
				if _, err := io.ReadFull(resp.Body, make([]byte, 4)); err != nil {
					t.Fatal(err)
				}
				time.Sleep(time.Hour)
				if _, err := io.ReadAll(resp.Body); !errors.Is(err, test.want) {
					t.Errorf("%v, want %v", err, test.want)
				}
			})
		})
	}
}

func TestRetryAfter(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for value, want := range map[string]time.Duration{
		"": 0, "7": 7 * time.Second, "-1": 0, "soon": 0, "99999999999999": 0,
		now.Add(time.Minute).Format(http.TimeFormat): time.Minute,
		now.Add(-time.Hour).Format(http.TimeFormat):  0,
	} {
		if got := RetryAfter(value, now); got != want {
			t.Errorf("RetryAfter(%q) = %v, want %v", value, got, want)
		}
	}
}
