package registry

import (
	"context"
	"errors"
	"io"
	"iter"
	"testing"

	"github.com/modferry/modferry/artifact"
)

// wantMeaning checks that err has this meaning and no other.
func wantMeaning(t *testing.T, err, want error) {
	t.Helper()
	for _, s := range sentinels {
		if is := errors.Is(err, s); is != (s == want) {
			t.Errorf("errors.Is(%q, %q) = %v", err, s, is)
		}
	}
}

func fetchBlob(ctx context.Context, s *Store, b artifact.Blob) ([]byte, error) {
	rc, err := s.Blob(ctx, "a", b.Descriptor)
	if err != nil {
		return nil, err
	}
	defer rc.Close()
	return io.ReadAll(rc)
}

// onlyError returns the error of a listing that has nothing else in it.
func onlyError(t *testing.T, listing iter.Seq2[string, error]) error {
	t.Helper()
	var errs []error
	for name, err := range listing {
		if name != "" || err == nil {
			t.Errorf("%q, %v in a listing that failed", name, err)
		}
		errs = append(errs, err)
	}
	if len(errs) != 1 {
		t.Fatalf("the listing gives %d errors, want one: %v", len(errs), errs)
	}
	return errs[0]
}
