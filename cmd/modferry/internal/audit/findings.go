package audit

import (
	"context"
	"sync"

	"github.com/opencontainers/go-digest"

	"github.com/modferry/modferry/artifact/sign"
)

// recorder is a verifier that remembers what it made of signatures.
type recorder struct {
	sign.Verifier

	mu    sync.Mutex
	found map[digest.Digest][]sign.Finding
}

// Verify implements sign.Verifier.
func (r *recorder) Verify(ctx context.Context, s sign.Subject, sigs []sign.Signature) ([]string, error) {
	e, err := r.Explain(ctx, s, sigs)
	if err != nil {
		return nil, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.found[s.Digest] = e.Signatures
	return e.Keys, e.Err
}
