package sign

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/opencontainers/go-digest"
	"github.com/sigstore/sigstore/pkg/signature/payload"
)

// maxPayload bounds a signed payload, in bytes. Cosign's have some 250.
const maxPayload = 64 << 10

// newPayload returns what is signed for the manifest d, stored in the repository that reference names.
func newPayload(d digest.Digest, reference string) ([]byte, error) {
	return json.Marshal(payload.SimpleContainerImage{Critical: payload.Critical{
		Identity: payload.Identity{DockerReference: reference},
		Image:    payload.Image{DockerManifestDigest: d.String()},
		Type:     payload.CosignSignatureType,
	}})
}

// checkPayload returns nil when a payload vouches for the manifest d. The grammar is
// that of containers-signature(5), with cosign's type:
//
//	payload  = { "critical": critical, "optional": anything }
//	critical = { "identity": { "docker-reference": string },
//	             "image": { "docker-manifest-digest": string },
//	             "type": "cosign container image signature" }
//
// Members come in any order and "optional" may be missing. As there, an unknown or repeated member is an error:
// whoever signed meant something by it, and two readers must not understand one signature differently.
//
// The reference says where the signer saw the manifest. Copies live elsewhere, so nothing is compared with it.
func checkPayload(data []byte, d digest.Digest) error {
	if !json.Valid(data) {
		return errors.New("payload is not JSON")
	}
	var kind, reference, claimed *string
	critical := members{
		"identity": members{"docker-reference": &reference}.read,
		"image":    members{"docker-manifest-digest": &claimed}.read,
		"type":     &kind,
	}
	dec := json.NewDecoder(bytes.NewReader(data))
	if err := (members{"critical": critical.read, "optional": new(json.RawMessage)}).read(dec); err != nil {
		return fmt.Errorf("payload: %w", err)
	}
	switch {
	case kind == nil || reference == nil || claimed == nil:
		return errors.New("payload is incomplete")
	case *kind != payload.CosignSignatureType:
		return fmt.Errorf("payload is of type %.60q", *kind)
	case *claimed != d.String():
		return fmt.Errorf("for the digest %.80q", *claimed)
	}
	return nil
}

// Claim returns the digest of the manifest that a signature says it is about, "" if that cannot be told. It is no more
// than a place to look: [Verifier] tells what a signature is worth.
func (s Signature) Claim() digest.Digest {
	var p payload.SimpleContainerImage
	if json.Unmarshal(s.Payload, &p) != nil || checkDigest(digest.Digest(p.Critical.Image.DockerManifestDigest)) != nil {
		return ""
	}
	return digest.Digest(p.Critical.Image.DockerManifestDigest)
}

// members are the members a JSON object may have: either a function that reads
// the value, or a pointer to decode it to.
type members map[string]any

func (m members) read(dec *json.Decoder) error {
	if t, err := dec.Token(); err != nil {
		return err
	} else if t != json.Delim('{') {
		return errors.New("not an object")
	}
	seen := make(map[string]bool, len(m))
	for dec.More() {
		t, err := dec.Token()
		if err != nil {
			return err
		}
		name, _ := t.(string)
		to, known := m[name]
		if !known {
			return fmt.Errorf("unknown member %.60q", name)
		}
		if seen[name] {
			return fmt.Errorf("repeated member %q", name)
		}
		seen[name] = true
		if err := readMember(dec, to); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	_, err := dec.Token()
	return err
}

func readMember(dec *json.Decoder, to any) error {
	if read, ok := to.(func(*json.Decoder) error); ok {
		return read(dec)
	}
	return dec.Decode(to)
}
