package record

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"net/http"
	"strings"
	"testing"

	"golang.org/x/mod/module"

	"github.com/modferry/modferry/artifact/goproxy"
)

func TestErrorsOfTheSourceReachTheClient(t *testing.T) {
	src := newSource()
	src.errors["example.com/!up/@v/v1.1.0.zip"] = errors.New("registry harbor.example:\n\x1b[31mout of order" + strings.Repeat("!", 5000))
	src.errors["example.com/!up/@v/list"] = errors.New("nor this")
	s := listen(t, src)
	status, body, err := get(t, s, "example.com/!up/@v/v1.1.0.zip")
	if err != nil || status != http.StatusBadGateway || !strings.HasPrefix(body, "registry harbor.example:; [31mout of order!") || len(body) > 2001 {
		t.Errorf("got %d, %d bytes, %.100q, %v", status, len(body), body, err)
	}
	mustGet(t, s, http.StatusBadGateway, "example.com/!up/@v/list")
	status, body, err = get(t, s, "example.com/!up/@v/v9.9.9.info")
	if err != nil || status != http.StatusNotFound || !strings.HasPrefix(body, "not found: ") {
		t.Errorf("got %d, %.100q, %v", status, body, err)
	}
	failed := s.Failed()
	if len(failed) != 3 || failed[0].Module != mod("example.com/Up") || failed[0].File != goproxy.List ||
		failed[1].Module != mod("example.com/Up@v1.1.0") || failed[1].File != goproxy.Zip || errors.Is(failed[1].Err, fs.ErrNotExist) ||
		failed[2].Module != mod("example.com/Up@v9.9.9") || failed[2].File != goproxy.Info || !errors.Is(failed[2].Err, fs.ErrNotExist) {
		t.Errorf("failed: %v", failed)
	}
}

func TestNobodyIsAskedAboutWhatIsHidden(t *testing.T) {
	src := newSource()
	s := listen(t, sourceFunc(func(ctx context.Context, name string) (io.ReadCloser, error) {
		if !strings.Contains(name, "v1.0.0") {
			t.Errorf("asked for %s", name)
		}
		return src.Open(ctx, name)
	}))
	s.Hide(func(f goproxy.File) bool { return f.Path == "example.com/Up" && f.Version.Version != "v1.0.0" })
	const up = "example.com/!up/"
	mustGet(t, s, http.StatusNotFound, up+"@v/list", up+"@latest", up+"@v/v1.1.0.info", up+"@v/v1.1.0.mod", up+"@v/v1.1.0.zip", up+"@v/main.info")
	if got := len(s.Fetched()) + len(s.Failed()); got > 0 {
		t.Errorf("%d were recorded", got)
	}
	mustGet(t, s, http.StatusOK, up+"@v/v1.0.0.mod")
}

func TestWhatIsLackingIsCountedEachTime(t *testing.T) {
	s := listen(t, newSource())
	const gone = "example.com/!up/@v/v1.9.9"
	mustGet(t, s, http.StatusNotFound, gone+".mod", gone+".mod", gone+".zip", gone+".info", "example.com/gone/@v/list")
	if got := s.Lacking(); got != 3 {
		t.Errorf("%d go.mod files and zips were lacking, want 3", got)
	}
}

func TestAFailureThatWasMendedIsNone(t *testing.T) {
	src := newSource()
	const name = "example.com/!up/@v/v1.0.0.zip"
	tries := 0
	s := listen(t, sourceFunc(func(ctx context.Context, name string) (io.ReadCloser, error) {
		if tries++; tries == 1 {
			return nil, errors.New("try again")
		}
		return src.Open(ctx, name)
	}))
	mustGet(t, s, http.StatusBadGateway, name)
	if failed := s.Failed(); len(failed) != 1 {
		t.Errorf("failed: %v", failed)
	}
	mustGet(t, s, http.StatusOK, name)
	if failed := s.Failed(); len(failed) != 0 {
		t.Errorf("after it was mended: %v", failed)
	}
}

func TestABodyThatBreaksOffIsNotServedNorRecorded(t *testing.T) {
	src := newSource()
	names := []string{"example.com/!up/@v/v1.0.0.zip", "example.com/!up/@v/v1.0.0.mod", "example.com/!up/@v/v1.0.0.info"}
	for _, name := range names {
		src.cut[name] = true
	}
	s := listen(t, src)
	for _, name := range names {
		if status, body, err := get(t, s, name); err == nil {
			t.Errorf("%s: got %d and %d bytes as if that were all", name, status, len(body))
		}
	}
	if got := s.Fetched(); len(got) > 0 {
		t.Errorf("recorded: %v", got)
	}
	if got := s.Failed(); len(got) != 3 {
		t.Errorf("failed: %v, want all 3", got)
	}
}

func TestAClientThatGoesAwayHasFetchedNothing(t *testing.T) {
	src := newSource()
	reading, release := make(chan struct{}), make(chan struct{})
	s := listen(t, sourceFunc(func(ctx context.Context, name string) (io.ReadCloser, error) {
		close(reading)
		<-ctx.Done()
		defer close(release)
		return src.Open(ctx, name)
	}))
	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-reading; cancel() }()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.URL()+"/example.com/!up/@v/v1.0.0.zip", nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := http.DefaultClient.Do(req); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	<-release
	if err := s.server.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := s.Fetched(); len(got) > 0 {
		t.Errorf("recorded: %v", got)
	}
}

func TestWhatIsNoFileOfTheProtocolDoesNotReachTheSource(t *testing.T) {
	src := newSource()
	s := listen(t, src)
	mustGet(t, s, http.StatusNotFound, "", "/", "example.com", "example.com/!up/@v/", "example.com/!up/@v/v1.0.0", "example.com/!up/@v/v1.0.0.ziphash",
		"example.com/Up/@v/list", "example.com/!up/@v/../list", "../"+s.secret+"/x", "example.com/!up/@v/main.mod", "example.com/!up/@v/v1.0.zip",
		"example.com/x/v2/@v/v1.0.0.mod", "example.com//x/@latest", "example.com/%2e%2e/x/@latest", "example.com/!up/@v/a%2Fb.info",
		"sumdb/../sum.example.com/latest", "sumdb/sum.example.com//latest", "sumdb/",
		"sumdb/.git/latest/")
	resp, err := http.Post(s.URL()+"/example.com/!up/@v/list", "text/plain", bytes.NewReader(nil))
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusMethodNotAllowed {
		t.Errorf("POST: %s", resp.Status)
	}
	resp, err = http.Get(s.base + "guessed/example.com/!up/@v/list")
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusNotFound {
		t.Errorf("a guessed address: %s", resp.Status)
	}
	if len(src.asked) > 0 {
		t.Errorf("the source was asked for %q", src.asked)
	}
}

func FuzzParseRequest(f *testing.F) {
	for name := range newSource().files {
		f.Add(name)
	}
	f.Add("example.com/../x/@v/list")
	f.Add("sumdb/../../x/supported")
	f.Fuzz(func(t *testing.T, name string) {
		q, err := parseRequest(name)
		if err != nil {
			return
		}
		if strings.HasPrefix(name, "/") || strings.Contains("/"+name+"/", "/../") || strings.ContainsAny(name, "\\\x00\n") {
			t.Errorf("%q was let through", name)
		}
		if q.Kind == sumDB {
			return
		}
		if err := module.CheckPath(q.Path); err != nil {
			t.Errorf("%q: %v", name, err)
		}
	})
}
