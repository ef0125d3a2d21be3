package sign_test

import (
	"context"
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/modferry/modferry/artifact/sign"
	"github.com/modferry/modferry/artifact/sign/signtest"
)

func TestMain(m *testing.M) {
	signtest.Main()
	os.Exit(m.Run())
}

func TestKeyInAKeyManagementServiceSignsBothFormats(t *testing.T) {
	uri := signtest.KMS(t)
	signer, err := sign.LoadKMSSigner(t.Context(), uri)
	if err != nil {
		t.Fatal(err)
	}
	trusted, err := sign.LoadKMSKey(t.Context(), uri)
	if err != nil {
		t.Fatal(err)
	}
	classic, err := signer.Sign(t.Context(), manifest, "registry.example/a")
	if err != nil {
		t.Fatal(err)
	}
	bundle, err := signer.SignBundle(t.Context(), manifest)
	if err != nil {
		t.Fatal(err)
	}
	public, err := sign.ParseKeys(signer.PublicKey())
	if err != nil {
		t.Fatal(err)
	}
	for _, sig := range []sign.Signature{classic, bundle} {
		for _, keys := range []*sign.Keys{trusted, public} {
			if ids, err := keys.Verify(t.Context(), sign.Subject{Digest: manifest}, []sign.Signature{sig}); err != nil || ids[0] != signer.KeyID() {
				t.Errorf("%s: %v, %v", sig.Format, ids, err)
			}
		}
	}
}

func TestKeyManagementServiceThatFails(t *testing.T) {
	uri := signtest.KMS(t)
	for name, tt := range map[string]struct{ uri, want string }{
		"no such key":     {"test:///nowhere", "no such file"},
		"no such plugin":  {"other://key", "there is no program sigstore-kms-other in the search path"},
		"a path for name": {"../test://key", "is no key of a key management service"},
		"no key":          {"test://", "is no key of a key management service"},
		"silent plugin":   {uri + "?silent", "the plugin's answer is of no use: it is empty"},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := sign.LoadKMSSigner(t.Context(), tt.uri); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%v; want %q", err, tt.want)
			}
		})
	}
	for name, tt := range map[string]struct{ fault, want string }{
		"locked vault":         {"locked", "the vault is locked"},
		"signature of another": {"other", "it is no signature by the key it names"},
	} {
		t.Run(name, func(t *testing.T) {
			signer, err := sign.LoadKMSSigner(t.Context(), uri+"?"+tt.fault)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := signer.Sign(t.Context(), manifest, "a"); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("classic: %v; want %q", err, tt.want)
			}
			if _, err := signer.SignBundle(t.Context(), manifest); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("bundle: %v; want %q", err, tt.want)
			}
		})
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := sign.LoadKMSSigner(ended, uri); !errors.Is(err, context.Canceled) {
		t.Errorf("after the end: %v", err)
	}
}
