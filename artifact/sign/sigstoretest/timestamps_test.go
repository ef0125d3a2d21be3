package sigstoretest

import (
	"bytes"
	"crypto"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/digitorus/timestamp"
)

func TestTimestampsAreThoseOfTheAuthority(t *testing.T) {
	s, err := newTimestamper()
	if err != nil {
		t.Fatal(err)
	}
	for _, certificate := range []bool{false, true} {
		q, err := timestamp.CreateRequest(bytes.NewReader([]byte("signature")), &timestamp.RequestOptions{Hash: crypto.SHA256, Certificates: certificate})
		if err != nil {
			t.Fatal(err)
		}
		w := httptest.NewRecorder()
		s.ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/", bytes.NewReader(q)))
		if w.Code != http.StatusCreated {
			t.Fatalf("%d: %s", w.Code, w.Body)
		}
		stamp, err := s.Verify(w.Body.Bytes(), []byte("signature"))
		if err != nil || time.Since(stamp.Time) > time.Minute {
			t.Errorf("%v, %v", stamp, err)
		}
	}
}
