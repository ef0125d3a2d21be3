package proxyshim

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"
)

// gate makes registry requests whose path contains part wait.
type gate struct {
	part    string
	reached chan struct{} // one value per request that waits
	open    chan struct{}
}

func newGate(e *env, part string) *gate {
	g := &gate{part: part, reached: make(chan struct{}, 100), open: make(chan struct{})}
	e.transport.inject(func(r *http.Request) (*http.Response, error) {
		if strings.Contains(r.URL.Path, part) {
			g.reached <- struct{}{}
			select {
			case <-g.open:
			case <-r.Context().Done():
				return nil, r.Context().Err()
			}
		}
		return nil, nil
	})
	return g
}

// serve asks the handler without a server between.
func (e *env) serve(ctx context.Context, path string) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	e.handler.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil).WithContext(ctx))
	return w
}

func TestManyClientsCauseOneDownload(t *testing.T) {
	e := newEnv(t)
	e.publish(content{m: lib, size: 1 << 20})
	e.askForSnapshot()
	g := newGate(e, "/lib/blobs/")
	before := e.transport.count()
	var clients sync.WaitGroup
	for range 50 {
		clients.Go(func() {
			if w := e.serve(t.Context(), libURL+".zip"); w.Code != http.StatusOK || w.Body.Len() < 1<<20 {
				t.Errorf("%d, %d bytes", w.Code, w.Body.Len())
			}
		})
	}
	<-g.reached
	close(g.open)
	clients.Wait()
	if got := e.transport.requests()[before:]; len(got) > 3 {
		t.Errorf("registry requests: %v", got)
	}
}

func TestAClientThatGoesAwayDoesNotCancelOthers(t *testing.T) {
	e := newEnv(t)
	e.publish(content{m: lib})
	for _, part := range []string{"/manifests/", "/blobs/"} {
		g := newGate(e, part)
		ctx, leave := context.WithCancel(t.Context())
		var clients sync.WaitGroup
		clients.Go(func() { e.serve(ctx, libURL+".zip") })
		<-g.reached
		clients.Go(func() {
			if w := e.serve(t.Context(), libURL+".zip"); w.Code != http.StatusOK {
				t.Errorf("the client that stayed got %d: %s", w.Code, w.Body)
			}
		})
		leave()
		close(g.open)
		clients.Wait()
		check(t, e.handler.cache.Drop(lib))
	}
}

func TestADownloadGoesOnWhenItsOnlyClientLeaves(t *testing.T) {
	e := newEnv(t)
	e.publish(content{m: lib})
	g := newGate(e, "/lib/blobs/")
	ctx, leave := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { e.serve(ctx, libURL+".zip"); close(done) }()
	<-g.reached
	leave()
	<-done
	close(g.open)
	if got := e.requests(func() { e.want(libURL+".zip", http.StatusOK, "PK") }); len(got) > 0 {
		t.Errorf("downloaded again: %v", got)
	}
}

func TestCloseEndsDownloads(t *testing.T) {
	e := newEnv(t)
	e.publish(content{m: lib})
	g := newGate(e, "/lib/blobs/")
	done := make(chan *httptest.ResponseRecorder)
	go func() { done <- e.serve(t.Context(), libURL+".zip") }()
	<-g.reached
	check(t, e.handler.Close())
	if w := <-done; w.Code != http.StatusServiceUnavailable {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if left := e.temporary(); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestHalfReadAnswersHurtNobody(t *testing.T) {
	e := newEnv(t)
	e.publish(content{m: lib, size: 4 << 20})
	for range 5 {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, e.url+libURL+".zip", nil)
		check(t, err)
		resp, err := http.DefaultClient.Do(r)
		check(t, err)
		if _, err := resp.Body.Read(make([]byte, 1000)); err != nil {
			t.Error(err)
		}
		cancel()
		resp.Body.Close()
	}
	e.want(libURL+".zip", http.StatusOK, "PK")
}

func TestShareReportsTheFlightsError(t *testing.T) {
	e := newEnv(t)
	boom := errors.New("boom")
	_, err := share(t.Context(), e.handler, "x", func(context.Context) (int, error) { return 0, boom })
	if !errors.Is(err, boom) {
		t.Error(err)
	}
}
