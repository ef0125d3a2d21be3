package inventory

import (
	"bytes"
	"fmt"

	"github.com/modferry/modferry/artifact/sign"
	"github.com/modferry/modferry/artifact/userfile"
)

// SignatureFile returns the name of the file beside an inventory with its signature, as cosign sign-blob writes it.
func SignatureFile(name string) string { return name + ".sig" }

// maxSignature bounds a signature's file, in bytes.
const maxSignature = 4 << 10

// ReadFile parses the inventory in a file. Unless keys is nil, the file with its signature must be beside it, by one
// of them: the error matches sign.ErrUntrusted, or fs.ErrNotExist.
func ReadFile(name string, keys *sign.Keys) (*Inventory, error) {
	data, err := userfile.ReadAny(name, MaxSize)
	if err != nil {
		return nil, fmt.Errorf("inventory: %w", err)
	}
	if keys != nil {
		signature, err := userfile.ReadAny(SignatureFile(name), maxSignature)
		if err == nil {
			_, err = keys.VerifyBlob(data, signature)
		}
		if err != nil {
			return nil, fmt.Errorf("inventory %s: its signature: %w", name, err)
		}
	}
	inv, err := Parse(bytes.NewReader(data))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return inv, nil
}
