package sign

import (
	"bytes"
	"crypto/elliptic"
	"errors"
	"io/fs"
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	"github.com/sigstore/sigstore/pkg/cryptoutils"
)

func TestLoadKeysReadsSeveralKeysFromSeveralFiles(t *testing.T) {
	a, b, c := testSigner(t), testSigner(t), testSigner(t)
	windows := bytes.ReplaceAll(b.PublicKey(), []byte("\n"), []byte("\r\n"))
	both := writeFile(t, "both.pub", slices.Concat([]byte("the platform team\n"), a.PublicKey(), windows))
	keys, err := LoadKeys(both, writeFile(t, "c.pub", c.PublicKey()))
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range []*Signer{a, b, c} {
		ids, err := keys.Verify(t.Context(), subject, []Signature{mustSign(t, s)})
		if err != nil || !slices.Equal(ids, []string{s.KeyID()}) {
			t.Fatalf("got %v, %v", ids, err)
		}
	}
}

func TestLoadKeysNamesTheFile(t *testing.T) {
	_, err := LoadKeys("/nonexistent/cosign.pub")
	if !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), "/nonexistent/cosign.pub") {
		t.Fatal(err)
	}
	file := writeFile(t, "empty.pub", nil)
	if _, err := LoadKeys(file); err == nil || !strings.Contains(err.Error(), file) {
		t.Fatal(err)
	}
	if _, err := LoadKeys(t.TempDir()); err == nil || !strings.Contains(err.Error(), "is a directory") {
		t.Fatal("loaded a directory")
	}
	if _, err := LoadKeys(); err == nil || !strings.Contains(err.Error(), "no public key is given") {
		t.Fatal("loaded keys from no file")
	}
	big := writeFile(t, "big.pub", make([]byte, maxKeyFile+1))
	if _, err := LoadKeys(big); err == nil || !strings.Contains(err.Error(), "too large") {
		t.Fatal(err)
	}
}

func TestKeysInTheEnvironmentAreNamedAsCosignNamesThem(t *testing.T) {
	private, public, err := Generate([]byte("secret"))
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("COSIGN_PRIVATE_KEY", string(private))
	t.Setenv("COSIGN_PUBLIC_KEY", string(public))
	s, err := LoadSigner("env://COSIGN_PRIVATE_KEY", func() ([]byte, error) { return []byte("secret"), nil })
	if err != nil {
		t.Fatal(err)
	}
	keys, err := LoadKeys("env://COSIGN_PUBLIC_KEY")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := keys.Verify(t.Context(), subject, []Signature{mustSign(t, s)}); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"env://", "env://NOT_SET_ANYWHERE"} {
		if _, err := LoadKeys(name); err == nil || !strings.Contains(err.Error(), "is not set, or empty") {
			t.Errorf("%s: %v", name, err)
		}
	}
	t.Setenv("COSIGN_PUBLIC_KEY", "LS0tLS1CRUdJTg==") // as base64, which is how some pass files on
	if _, err := LoadKeys("env://COSIGN_PUBLIC_KEY"); err == nil || strings.Contains(err.Error(), "LS0t") {
		t.Errorf("%v", err)
	}
	if IsKMS("env://COSIGN_PUBLIC_KEY") || !IsKMS("awskms://alias/key") {
		t.Error("what is in the environment is asked of a key management service")
	}
}

func TestParseKeysRefusesWhatItCannotUse(t *testing.T) {
	good := string(testSigner(t).PublicKey())
	p384 := newECDSA(t, elliptic.P384())
	damaged := strings.Replace(good, "MF", "\x00\x00", 1)
	for name, tt := range map[string]struct{ data, says string }{
		"nothing":                {"", "no PEM block"},
		"text":                   {"ssh-ed25519 AAAA", "no PEM block"},
		"UTF-16":                 {"-\x00-\x00-\x00-\x00-\x00B\x00", "no PEM block"},
		"damaged":                {damaged, "damaged"},
		"cut off":                {good[:len(good)-9], "damaged"},
		"good then damaged":      {good + damaged, "damaged"},
		"damaged then good":      {damaged + good, "damaged"},
		"block with other bytes": {"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n", "not a usable public key"},
		"private key":            {string(seal(t, p384, "")), "private key"},
		"certificate":            {string(cryptoutils.PEMEncode(cryptoutils.CertificatePEMType, []byte{1})), "CERTIFICATE"},
		"Ed25519":                {string(publicPEM(t, newEd25519(t).Public())), "only ECDSA P-256"},
		"P-384":                  {string(publicPEM(t, p384.Public())), "only ECDSA P-256"},
		"good then P-384":        {good + string(publicPEM(t, p384.Public())), "only ECDSA P-256"},
	} {
		t.Run(name, func(t *testing.T) {
			keys, err := ParseKeys([]byte(tt.data))
			if err == nil || keys != nil || !strings.Contains(err.Error(), tt.says) {
				t.Fatalf("got %v, %v; want %q", keys, err, tt.says)
			}
		})
	}
}

func TestKeyIDIsDigestOfDER(t *testing.T) {
	keys, err := LoadKeys("testdata/cosign.pub")
	if err != nil {
		t.Fatal(err)
	}
	if got := keys.list[0].id; got != pinnedKeyID {
		t.Fatalf("got %s, want %s", got, pinnedKeyID)
	}
	if want := "keys:" + digest.FromString(pinnedKeyID).String(); keys.Rule("").Fingerprint != want {
		t.Fatalf("got %s, want %s", keys.Rule("").Fingerprint, want)
	}
}

func TestFingerprintIsOfTheSetOfKeys(t *testing.T) {
	a, b := testSigner(t).PublicKey(), testSigner(t).PublicKey()
	print := func(pems ...[]byte) string {
		t.Helper()
		keys, err := ParseKeys(slices.Concat(pems...))
		if err != nil {
			t.Fatal(err)
		}
		return keys.Rule("").Fingerprint
	}
	if print(a, b) != print(b, a, b) {
		t.Error("depends on order or repetition")
	}
	if print(a) == print(b) || print(a) == print(a, b) {
		t.Error("is the same for different sets")
	}
}

func FuzzParseKeys(f *testing.F) {
	good := testSigner(f).PublicKey()
	f.Add(good)
	f.Add(slices.Concat(good, good, []byte("-----BEGIN X-----\n-----END X-----\n")))
	f.Add(seal(f, newECDSA(f, elliptic.P256()), ""))
	f.Fuzz(func(t *testing.T, data []byte) {
		keys, err := ParseKeys(data)
		if (err == nil) != (keys != nil && len(keys.list) > 0) {
			t.Fatalf("got %v, %v", keys, err)
		}
	})
}
