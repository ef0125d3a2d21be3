package bundling

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/modferry/modferry/registry/bundle/parity"
)

// ParseParity parses what --parity says for an output, "" for none at all; 0 = no parity.
func ParseParity(text, output string) (parity.Share, error) {
	if text == "" {
		return 0, nil
	}
	share, err := parity.ParseShare(text)
	if err == nil && output != "" && !strings.HasSuffix(output, ".tar") {
		err = errors.New("it is for tars in files: let the output's name end in .tar")
	}
	return share, err
}

// WriteParity writes the parity of each volume beside it, as far as it is not there yet. A share of 0 is none.
func (r *Report) WriteParity(ctx context.Context, share parity.Share) (err error) {
	for i := range r.Volumes {
		v := &r.Volumes[i]
		if share == 0 {
			break
		}
		if v.Parity, err = parity.WriteFile(ctx, v.File, share); err != nil {
			return fmt.Errorf("parity of %s: %w", v.File, err)
		}
	}
	return nil
}
