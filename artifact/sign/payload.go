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

// newPayload returns what is signed for the manifest d, stored in the
// repository that reference names.
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
// Members come in this order, in which everybody writes them; "optional" may be missing. As there, an unknown or
// repeated member is an error: whoever signed meant something by it, and two
// readers must not understand one signature differently.
//
// The reference says where the signer saw the manifest. Copies live elsewhere, so
// nothing is compared with it.
func checkPayload(data []byte, d digest.Digest) error {
	var p struct {
		Critical payload.Critical `json:"critical"`
		Optional json.RawMessage  `json:"optional,omitempty"`
	}
	if err := json.Unmarshal(data, &p); err != nil {
		return fmt.Errorf("payload: %w", err)
	}
	understood, err := json.Marshal(p)
	if err != nil {
		return fmt.Errorf("payload: %w", err)
	}
	var said bytes.Buffer
	if err := json.Compact(&said, data); err != nil {
		return fmt.Errorf("payload: %w", err)
	}
	switch claimed := p.Critical.Image.DockerManifestDigest; {
	case !bytes.Equal(said.Bytes(), understood):
		return errors.New("payload with unknown, repeated or missing members")
	case p.Critical.Type != payload.CosignSignatureType:
		return fmt.Errorf("payload is of type %.60q", p.Critical.Type)
	case claimed != d.String():
		return fmt.Errorf("for the digest %.80q", claimed)
	}
	return nil
}
