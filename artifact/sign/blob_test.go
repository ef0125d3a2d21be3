package sign_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/modferry/modferry/artifact/sign"
	"github.com/modferry/modferry/artifact/sign/signtest"
)

func TestSignedBlobs(t *testing.T) {
	signer, stranger := signtest.Signer(t, 0), signtest.Signer(t, 1)
	content := []byte("content")
	signature, err := signer.SignBlob(t.Context(), content)
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		keys      *sign.Keys
		content   string
		signature string
		ok        bool
	}{
		"as it was signed":        {signer.Verifier(), "content", signature, true},
		"with a newline":          {signer.Verifier(), "content", signature + "\n", true},
		"other content":           {signer.Verifier(), "contenT", signature, false},
		"another key":             {stranger.Verifier(), "content", signature, false},
		"no key":                  {new(sign.Keys), "content", signature, false},
		"no signature":            {signer.Verifier(), "content", "", false},
		"not base64":              {signer.Verifier(), "content", "*" + signature[1:], false},
		"cut off":                 {signer.Verifier(), "content", signature[:len(signature)-8], false},
		"longer than a signature": {signer.Verifier(), "content", strings.Repeat(signature, 4), false},
	} {
		id, err := test.keys.VerifyBlob([]byte(test.content), []byte(test.signature))
		if test.ok && (err != nil || id != signer.KeyID()) || !test.ok && !errors.Is(err, sign.ErrUntrusted) {
			t.Errorf("%s: %q, %v", name, id, err)
		}
	}
}
