package audit

import (
	"context"
	"sync"

	"github.com/opencontainers/go-digest"

	"github.com/modferry/modferry/artifact/sign"
)

// recorder is a verifier that remembers what it made of signatures.
type recorder struct {
	sign.Explainer

	mu    sync.Mutex
	found map[digest.Digest][]sign.Finding
}

// newRecorder returns a verifier that decides as v does, and nil besides if v does not tell why.
func newRecorder(v sign.Verifier) (sign.Verifier, *recorder) {
	e, ok := v.(sign.Explainer)
	if !ok {
		return v, nil
	}
	r := &recorder{Explainer: e, found: make(map[digest.Digest][]sign.Finding)}
	return r, r
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

// signaturesOf returns what was found out about the signatures of a manifest: those that were looked at.
func (r *recorder) signaturesOf(d digest.Digest) []sign.Finding {
	if r == nil {
		return nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.found[d]
}
