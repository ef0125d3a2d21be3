package sign

import "context"

// An Explainer is a [Verifier] that tells why it decides as it does.
type Explainer interface {
	Verifier

	// Explain decides about a subject as Verify does, and looks at every signature. The error is that of a cancelled
	// context.
	Explain(ctx context.Context, s Subject, sigs []Signature) (*Explanation, error)
}

// Explain implements [Explainer].
func (k *Keys) Explain(ctx context.Context, s Subject, sigs []Signature) (*Explanation, error) {
	e := &Explanation{Rule: k.Rule(s.Module.Path), Needs: "one of the keys given"}
	e.Keys, e.Err = k.Verify(ctx, s, sigs)
	for _, sig := range sigs {
		f := Finding{Format: sig.Format.String()}
		if by, err := k.check(s, sig); err == nil {
			f.Signer, f.Keys, f.Counts = by.signer, []string{by.signer}, true
		} else {
			f.Why = err.Error()
		}
		e.Signatures = append(e.Signatures, f)
	}
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	return e, nil
}
