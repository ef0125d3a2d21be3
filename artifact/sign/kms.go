package sign

import (
	"bytes"
	"context"
	"crypto"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"regexp"
	"strings"

	"github.com/sigstore/sigstore/pkg/signature"
	"github.com/sigstore/sigstore/pkg/signature/kms/cliplugin"
	"github.com/sigstore/sigstore/pkg/signature/options"
)

// errPlugin: the program of a key management service does not do what it should.
var errPlugin = errors.New("the plugin's answer is of no use")

// kmsURI is what names a key in a key management service: the plugin's name, and what the plugin calls the key.
var kmsURI = regexp.MustCompile(`^([a-z][a-z0-9+.-]*)://.`)

// IsKMS reports whether a key is named by the URI of a key management service, and is not in a file or the environment.
func IsKMS(key string) bool { return kmsURI.MatchString(key) && !strings.HasPrefix(key, environment) }

// LoadKMSSigner returns a signer whose key stays in a key management service: for NAME://KEY, the program sigstore-kms-NAME
// in the search path signs with KEY, as it does for cosign v3 (github.com/sigstore/sigstore, package cliplugin). It is run
// once now, for the public key, and once for each signature.
func LoadKMSSigner(ctx context.Context, uri string) (*Signer, error) {
	plugin, err := newPlugin(ctx, uri)
	if err != nil {
		return nil, err
	}
	s, err := newSigner(plugin, options.WithContext(ctx))
	if err != nil {
		return nil, fmt.Errorf("key %s: %w", uri, err)
	}
	plugin.key = &s.key
	return s, nil
}

// LoadKMSKey returns a verifier that trusts a key in a key management service, like [LoadKMSSigner]. Only the public key is
// asked for; verifying asks for nothing.
func LoadKMSKey(ctx context.Context, uri string) (*Keys, error) {
	s, err := LoadKMSSigner(ctx, uri)
	if err != nil {
		return nil, err
	}
	return s.Verifier(), nil
}

// plugin is the program of a key management service as a signer.
type plugin struct {
	signature.Signer
	key *key // whose signatures it has to make
}

func newPlugin(ctx context.Context, uri string) (*plugin, error) {
	name := kmsURI.FindStringSubmatch(uri)
	if name == nil {
		return nil, fmt.Errorf("%.80q is no key of a key management service, NAME://KEY", uri)
	}
	client, err := cliplugin.LoadSignerVerifier(ctx, uri, crypto.SHA256)
	if errors.Is(err, exec.ErrNotFound) {
		return nil, fmt.Errorf("key %s: there is no program %s%s in the search path: it is the plugin for such keys", uri, cliplugin.PluginBinaryPrefix, name[1])
	}
	if err != nil {
		return nil, fmt.Errorf("key %s: %w", uri, err)
	}
	return &plugin{Signer: client}, nil
}

// PublicKey asks for the public key.
func (p *plugin) PublicKey(opts ...signature.PublicKeyOption) (pub crypto.PublicKey, err error) {
	defer mustAnswer(&err)
	return p.Signer.PublicKey(opts...)
}

// SignMessage asks for a signature, and checks it: what nobody can verify is not stored.
func (p *plugin) SignMessage(message io.Reader, opts ...signature.SignOption) (sig []byte, err error) {
	defer mustAnswer(&err)
	data, err := io.ReadAll(message)
	if err != nil {
		return nil, err
	}
	if sig, err = p.Signer.SignMessage(bytes.NewReader(data), opts...); err != nil {
		return nil, err
	}
	if err := p.key.verifier.VerifySignature(bytes.NewReader(sig), bytes.NewReader(data)); err != nil {
		return nil, fmt.Errorf("%w: it is no signature by the key it names: %w", errPlugin, err)
	}
	return sig, nil
}

// mustAnswer makes an error of sigstore's failure to look whether there is an answer in what a plugin says.
func mustAnswer(err *error) {
	if recover() != nil {
		*err = fmt.Errorf("%w: it is empty", errPlugin)
	}
}
