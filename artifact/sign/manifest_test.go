package sign

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/modferry/modferry/artifact"
)

const signatureAnnotation = "dev.cosignproject.cosign/signature"

func readTestdata(t testing.TB, name string) []byte {
	t.Helper()
	data, err := os.ReadFile("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func mustAppend(t testing.TB, existing []byte, sig Signature) *artifact.Image {
	t.Helper()
	m, err := Append(existing, sig)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// signatures returns what a reader gets that fetches payloads from blobs.
func signatures(t testing.TB, manifest []byte, blobs map[digest.Digest][]byte) []Signature {
	t.Helper()
	sigs, err := Parse(manifest)
	if err != nil {
		t.Fatal(err)
	}
	for i := range sigs {
		if sigs[i].Fetch() {
			sigs[i].SetPayload(blobs[sigs[i].Descriptor.Digest], nil)
		}
	}
	return sigs
}

func content(t testing.TB, b artifact.Blob) []byte {
	t.Helper()
	r, err := b.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	data, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestTag(t *testing.T) {
	d := digest.FromString("a manifest")
	if got, want := Tag(d), "sha256-"+d.Encoded()+".sig"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if got := Tag("nonsense"); got != "nonsense.sig" {
		t.Errorf("got %s", got)
	}
}

func TestAppendMakesAnImageWhoseSignatureIsInlined(t *testing.T) {
	s := testSigner(t)
	sig := mustSign(t, s)
	sig.Annotations = map[string]string{"corp.example/why": "release"}
	image := mustAppend(t, nil, sig)
	if image.Descriptor.Digest != digest.FromBytes(image.Raw) || image.Descriptor.Size != int64(len(image.Raw)) ||
		image.Descriptor.MediaType != ocispec.MediaTypeImageManifest {
		t.Errorf("got descriptor %+v", image.Descriptor)
	}
	if len(image.Blobs) != 2 || !bytes.Equal(content(t, image.Blobs[0]), sig.Payload) {
		t.Errorf("got %d blobs", len(image.Blobs))
	}
	sigs := signatures(t, image.Raw, nil)
	if len(sigs) != 1 || sigs[0].Annotations["corp.example/why"] != "release" {
		t.Fatalf("got %+v", sigs)
	}
	if ids, err := s.Verifier().Verify(t.Context(), subject, sigs); err != nil || !slices.Equal(ids, []string{s.KeyID()}) {
		t.Fatalf("got %v, %v", ids, err)
	}
	if len(sig.Annotations) != 1 {
		t.Error("the caller's annotations were changed")
	}
}

func TestAppendIsDeterministic(t *testing.T) {
	image := mustAppend(t, nil, Signature{Payload: readTestdata(t, "payload.json"), Base64: "c2lnbmF0dXJl"})
	image = mustAppend(t, image.Raw, Signature{Payload: []byte("another payload"), Base64: "c2lnbmF0dXJl"})
	const want = "sha256:6bff0df325ba6f26fb8ced09b9a01f0551fb7fd74a89a410752614cf086e321c"
	if image.Descriptor.Digest != want {
		t.Errorf("got %s, want %s", image.Descriptor.Digest, want)
	}
}

func TestAppendKeepsWhatIsThere(t *testing.T) {
	s := testSigner(t)
	foreign := `{"mediaType":"application/x","digest":"` + digest.FromString("x").String() + `","size":1,"x":{"b":1,"a":2}}`
	existing := `{"schemaVersion":2,"config":{"mediaType":"application/vnd.oci.image.config.v1+json"},` +
		`"layers":[` + foreign + `],"annotations":{"a":"b"}}`
	image := mustAppend(t, []byte(existing), mustSign(t, s))
	image = mustAppend(t, image.Raw, mustSign(t, testSigner(t)))
	var got struct {
		Layers      []json.RawMessage
		Annotations map[string]string
	}
	if err := json.Unmarshal(image.Raw, &got); err != nil {
		t.Fatal(err)
	}
	if len(got.Layers) != 3 || string(got.Layers[0]) != foreign || got.Annotations["a"] != "b" {
		t.Fatalf("got %s", image.Raw)
	}
	if _, err := s.Verifier().Verify(t.Context(), subject, signatures(t, image.Raw, nil)); err != nil {
		t.Fatal(err)
	}
}

func TestAppendToAnImageOfCosign(t *testing.T) {
	s, existing, payload := testSigner(t), readTestdata(t, "cosign.sig.json"), readTestdata(t, "payload.json")
	sig, err := s.Sign(t.Context(), cosignSubject.Digest, cosignReference)
	if err != nil {
		t.Fatal(err)
	}
	image := mustAppend(t, existing, sig)
	theirs, err := LoadKeys("testdata/cosign.pub", "testdata/second.pub")
	if err != nil {
		t.Fatal(err)
	}
	sigs := signatures(t, image.Raw, map[digest.Digest][]byte{digest.FromBytes(payload): payload})
	for keys, n := range map[*Keys]int{theirs: 2, s.Verifier(): 1} {
		if ids, err := keys.Verify(t.Context(), cosignSubject, sigs); err != nil || len(ids) != n {
			t.Errorf("got %v, %v; want %d keys", ids, err, n)
		}
	}
}

func TestConfigIsTheOneCosignWrites(t *testing.T) {
	m, err := parseImage(readTestdata(t, "cosign.sig.json"))
	if err != nil {
		t.Fatal(err)
	}
	want := *m.Config
	if _, renewed, err := m.renewConfig(); err != nil || !renewed {
		t.Fatal(renewed, err)
	}
	if got := m.Config; got.Digest != want.Digest || got.Size != want.Size || got.MediaType != want.MediaType {
		t.Fatalf("got %+v, want %+v", got, want)
	}
}

func TestAppendLeavesAConfigOfAnotherKindAlone(t *testing.T) {
	const config = `"config":{"mediaType":"application/vnd.oci.empty.v1+json","digest":"sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a","size":2}`
	existing := `{"schemaVersion":2,` + config + `,"layers":[]}`
	image := mustAppend(t, []byte(existing), mustSign(t, testSigner(t)))
	if len(image.Blobs) != 1 || !strings.Contains(string(image.Raw), config) {
		t.Fatalf("got %d blobs, %s", len(image.Blobs), image.Raw)
	}
}

func TestAppendRefuses(t *testing.T) {
	good := mustSign(t, testSigner(t))
	full := manifestWith(slices.Repeat([]string{"{}"}, maxLayers)...)
	huge := Signature{Payload: good.Payload, Base64: good.Base64, Annotations: map[string]string{"a": strings.Repeat("x", artifact.MaxManifest)}}
	for name, tt := range map[string]struct {
		existing string
		sig      Signature
		want     error
	}{
		"an empty manifest":        {"", good, artifact.ErrCorrupt},
		"null":                     {"null", good, artifact.ErrCorrupt},
		"no more room":             {full, good, artifact.ErrLimit},
		"a layer without a digest": {manifestWith("{}"), good, artifact.ErrCorrupt},
		"a result that is too big": {manifestWith(), huge, artifact.ErrLimit},
		"no signature":             {manifestWith(), Signature{Payload: good.Payload}, nil},
		"no payload":               {manifestWith(), Signature{Base64: good.Base64}, nil},
		"a bundle":                 {manifestWith(), Signature{Format: Bundle, Payload: []byte("{}")}, nil},
		"a broken signature":       {manifestWith(), Signature{broken: errors.New("cracked")}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			image, err := Append([]byte(tt.existing), tt.sig)
			if err == nil || image != nil || (tt.want != nil && !errors.Is(err, tt.want)) {
				t.Fatalf("got %v, %v", image, err)
			}
		})
	}
}

// Two copies of a manifest that were signed by others each come to have all signatures, each once.
func TestMergeAddsWhatIsMissing(t *testing.T) {
	one, two, three := mustSign(t, testSigner(t)), mustSign(t, testSigner(t)), mustSign(t, testSigner(t))
	here, there := mustAppend(t, mustAppend(t, nil, one).Raw, two), mustAppend(t, mustAppend(t, nil, two).Raw, three)
	sigs, err := Parse(there.Raw)
	if err != nil {
		t.Fatal(err)
	}
	sigs = append(sigs, Signature{broken: errors.New("none")}, Signature{Payload: []byte("x")}, sigs[0])
	merged, err := Merge(here.Raw, sigs)
	if err != nil {
		t.Fatal(err)
	}
	got, err := Parse(merged.Raw)
	if err != nil || len(got) != 3 || got[0].Base64 != one.Base64 || got[1].Base64 != two.Base64 || got[2].Base64 != three.Base64 {
		t.Errorf("%v, %v", got, err)
	}
	if again, err := Merge(merged.Raw, sigs); again != nil || err != nil {
		t.Errorf("again: %v, %v", again, err)
	}
	if copied, err := Merge(nil, sigs[:2]); err != nil || string(copied.Raw) != string(there.Raw) {
		t.Errorf("a copy is %s, %v; want %s", copied.Raw, err, there.Raw)
	}
	many := mustAppend(t, nil, one).Raw
	for range maxLayers - 1 {
		many = mustAppend(t, many, mustSign(t, testSigner(t))).Raw
	}
	if _, err := Merge(many, sigs); !errors.Is(err, artifact.ErrLimit) {
		t.Errorf("beyond the limit: %v", err)
	}
}

// manifestWith returns a .sig manifest with the given layers.
func manifestWith(layers ...string) string {
	return `{"schemaVersion":2,"config":{"mediaType":"application/vnd.oci.image.config.v1+json"},"layers":[` +
		strings.Join(layers, ",") + `]}`
}

// layerJSON returns a layer as cosign writes it, with more members at its end.
func layerJSON(sig Signature, more string) string {
	return fmt.Sprintf(`{"mediaType":"application/vnd.dev.cosign.simplesigning.v1+json","digest":%q,"size":%d,"annotations":{%q:%q}%s}`,
		digest.FromBytes(sig.Payload), len(sig.Payload), signatureAnnotation, sig.Base64, more)
}
