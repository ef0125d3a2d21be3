package events

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
)

func TestAClientThatWentAwayIsAnEvent(t *testing.T) {
	var ev Event
	ended := make(chan struct{})
	ctx, leave := context.WithCancel(t.Context())
	slow := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		leave()
		<-r.Context().Done()
	})
	server := httptest.NewServer(Observe(slow, func(got *Event) { ev = *got; close(ended) }))
	defer server.Close()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, server.URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	if resp, err := http.DefaultClient.Do(req); err == nil {
		resp.Body.Close()
		t.Fatal("it was answered")
	}
	<-ended
	if ev.Outcome != Cancelled {
		t.Errorf("%+v", ev)
	}
}

func TestObservingKeepsSendfileAndFlush(t *testing.T) {
	h := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if _, ok := w.(io.ReaderFrom); !ok {
			t.Error("no io.ReaderFrom")
		}
		if err := http.NewResponseController(w).Flush(); err != nil {
			t.Error(err)
		}
	})
	server := httptest.NewServer(Observe(h, func(*Event) {}))
	defer server.Close()
	resp, err := http.Get(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	if err := resp.Body.Close(); err != nil {
		t.Error(err)
	}
}
