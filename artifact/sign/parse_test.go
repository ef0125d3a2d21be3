package sign

import (
	"bytes"
	"encoding/base64"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/modferry/modferry/artifact"
)

func TestParseRefuses(t *testing.T) {
	for name, tt := range map[string]struct {
		manifest string
		want     error
	}{
		"nothing":           {"", artifact.ErrCorrupt},
		"text":              {"hello", artifact.ErrCorrupt},
		"null":              {"null", artifact.ErrCorrupt},
		"an array":          {"[]", artifact.ErrCorrupt},
		"an empty object":   {"{}", artifact.ErrCorrupt},
		"an index":          {`{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]}`, artifact.ErrCorrupt},
		"another type":      {`{"mediaType":"application/x","config":{},"layers":[]}`, artifact.ErrCorrupt},
		"a type of no type": {`{"mediaType":7,"config":{},"layers":[]}`, artifact.ErrCorrupt},
		"layers in a map":   {`{"config":{},"layers":{}}`, artifact.ErrCorrupt},
		"something behind":  {manifestWith() + "{}", artifact.ErrCorrupt},
		"over 4 MiB":        {manifestWith() + strings.Repeat(" ", artifact.MaxManifest), artifact.ErrLimit},
	} {
		t.Run(name, func(t *testing.T) {
			layers, err := Parse([]byte(tt.manifest))
			if !errors.Is(err, tt.want) || layers != nil {
				t.Fatalf("got %v, %v", layers, err)
			}
		})
	}
}

func TestParseReadsAsManyLayersAsAllowed(t *testing.T) {
	s := testSigner(t)
	good := layerJSON(mustSign(t, s), "")
	for name, tt := range map[string]struct {
		before int // bad layers in front of the good one
		want   string
	}{
		"hidden behind twenty":    {20, ""},
		"the last one":            {maxLayers - 1, ""},
		"one too many":            {maxLayers, "of 33 signatures only the first 32 were read"},
		"among a thousand layers": {1000, "of 1001 signatures only the first 32 were read"},
	} {
		t.Run(name, func(t *testing.T) {
			layers, err := Parse([]byte(manifestWith(append(slices.Repeat([]string{"{}"}, tt.before), good)...)))
			if err != nil || len(layers) > maxLayers+1 {
				t.Fatalf("%d are read, %v", len(layers), err)
			}
			for i := range layers {
				if layers[i].Fetch() {
					layers[i].SetPayload(mustSign(t, s).Payload, nil)
				}
			}
			_, err = s.Verifier().Verify(t.Context(), subject, layers)
			if tt.want == "" && err != nil || tt.want != "" && (!errors.Is(err, ErrUntrusted) || !strings.Contains(err.Error(), tt.want)) {
				t.Errorf("%v; want %q", err, tt.want)
			}
		})
	}
}

func TestBrokenLayersDoNotHideGoodOnes(t *testing.T) {
	s := testSigner(t)
	sig := mustSign(t, s)
	good := layerJSON(sig, "")
	d := digest.FromBytes(sig.Payload).String()
	replace := func(old, new string) string { return strings.Replace(good, old, new, 1) }
	for name, broken := range map[string]string{
		"null":                     "null",
		"a number":                 "7",
		"empty":                    "{}",
		"digest of no type":        replace(`"`+d+`"`, "7"),
		"malformed digest":         replace(d, "sha256:00"),
		"unknown algorithm":        replace(d, "md5:d41d8cd98f00b204e9800998ecf8427e"),
		"negative size":            replace(`"size":`, `"size":-`),
		"size 0":                   replace(`"size":`, `"size":0,"x":`),
		"oversized payload":        replace(`"size":`, `"size":65537,"x":`),
		"huge size":                replace(`"size":`, `"size":1e99,"x":`),
		"no signature":             replace(signatureAnnotation, "x"),
		"signature of no type":     replace(`"annotations":{`, `"annotations":{"x":7,`),
		"signature of another key": layerJSON(mustSign(t, testSigner(t)), ""),
		"attestation":              replace("simplesigning", "dsse"),
		"payload not to be had":    layerJSON(Signature{Payload: []byte("lost"), Base64: sig.Base64}, ""),
	} {
		t.Run(name, func(t *testing.T) {
			blobs := map[digest.Digest][]byte{digest.FromBytes(sig.Payload): sig.Payload}
			sigs := signatures(t, []byte(manifestWith(broken, good, broken)), blobs)
			if len(sigs) != 3 {
				t.Fatalf("got %d signatures", len(sigs))
			}
			if _, err := s.Verifier().Verify(t.Context(), subject, sigs); err != nil {
				t.Fatal(err)
			}
		})
	}
}

func TestBrokenLayersAreNotFetchedAndCountAsUntrusted(t *testing.T) {
	sig := mustSign(t, testSigner(t))
	for _, broken := range []string{"null", "{}", strings.Replace(layerJSON(sig, ""), `"size":`, `"size":65537,"x":`, 1)} {
		sigs, err := Parse([]byte(manifestWith(broken)))
		if err != nil || len(sigs) != 1 || sigs[0].Fetch() {
			t.Fatalf("got %+v, %v", sigs, err)
		}
		_, err = testSigner(t).Verifier().Verify(t.Context(), subject, sigs)
		if !errors.Is(err, ErrUntrusted) || !strings.Contains(err.Error(), "broken") {
			t.Fatal(err)
		}
	}
}

func TestInlinedPayloadIsUsedOnlyWhenItMatchesItsDigest(t *testing.T) {
	s := testSigner(t)
	sig := mustSign(t, s)
	data := func(payload string) string {
		return `,"data":"` + base64.StdEncoding.EncodeToString([]byte(payload)) + `"`
	}
	for name, tt := range map[string]struct {
		more  string
		fetch bool
	}{
		"matches":         {data(string(sig.Payload)), false},
		"is missing":      {"", true},
		"is null":         {`,"data":null`, true},
		"is empty":        {data(""), true},
		"is another one":  {data(strings.Replace(string(sig.Payload), "sha256", "sha255", 1)), true},
		"is too long":     {data(string(sig.Payload) + " "), true},
		"is not base64":   {`,"data":"%%%"`, true},
		"is of no type":   {`,"data":{}`, true},
		"is given twice":  {data(string(sig.Payload)) + data("x"), true},
		"has another key": {`,"DATA":"AAAA"`, true},
	} {
		t.Run(name, func(t *testing.T) {
			sigs, err := Parse([]byte(manifestWith(layerJSON(sig, tt.more))))
			if err != nil || len(sigs) != 1 || sigs[0].Fetch() != tt.fetch || sigs[0].Descriptor.Data != nil {
				t.Fatalf("got %+v, %v", sigs, err)
			}
			if tt.fetch {
				forged := sigs[0]
				forged.SetPayload([]byte("forged"), nil)
				if _, err := s.Verifier().Verify(t.Context(), subject, []Signature{forged}); !errors.Is(err, ErrUntrusted) {
					t.Fatalf("with another payload fetched: %v", err)
				}
				sigs[0].SetPayload(sig.Payload, nil)
			}
			if _, err := s.Verifier().Verify(t.Context(), subject, sigs); err != nil {
				t.Fatal(err)
			}
		})
	}
}

func FuzzParse(f *testing.F) {
	sig := Signature{Payload: readTestdata(f, "payload.json"), Base64: "c2lnbmF0dXJl"}
	f.Add(readTestdata(f, "cosign.sig.json"))
	f.Add(mustAppend(f, nil, sig).Raw)
	f.Add([]byte(manifestWith("null", "{}", layerJSON(sig, `,"data":"AAAA"`))))
	f.Add([]byte(`{"config":{"mediaType":"application/vnd.oci.image.config.v1+json"},"layers":null}`))
	f.Fuzz(func(t *testing.T, manifest []byte) {
		layers, err := Parse(manifest)
		if err != nil {
			if !errors.Is(err, artifact.ErrCorrupt) && !errors.Is(err, artifact.ErrLimit) {
				t.Fatal(err)
			}
			return
		}
		for _, l := range layers {
			if l.Payload != nil && !l.describes(l.Payload) {
				t.Fatalf("unchecked payload in %+v", l)
			}
		}
		image, err := Append(manifest, sig)
		if err != nil {
			return
		}
		// What was there is there afterwards, and ours is the last.
		after := signatures(t, image.Raw, nil)
		if len(after) != len(layers)+1 {
			t.Fatalf("%d layers became %d", len(layers), len(after))
		}
		if last := after[len(layers)]; last.broken != nil || last.Base64 != sig.Base64 || !bytes.Equal(last.Payload, sig.Payload) {
			t.Fatalf("got %+v", last)
		}
	})
}
