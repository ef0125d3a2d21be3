package signtest

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sigstore/sigstore/pkg/cryptoutils"
)

// pluginName is that of the program of a key management service whose keys are files, test://FILE.
const pluginName = "sigstore-kms-test"

// Main makes a test binary that was started as a plugin one, and returns otherwise. TestMain calls it first.
func Main() {
	if filepath.Base(os.Args[0]) != pluginName {
		return
	}
	answer, err := plugin(os.Args[1:], os.Stdin)
	if err != nil {
		answer = map[string]any{"errorMessage": err.Error()}
	}
	if err := json.NewEncoder(os.Stdout).Encode(answer); err != nil {
		os.Exit(1)
	}
	os.Exit(0)
}

// InstallPlugin puts the plugin, which is the test binary, into dir.
func InstallPlugin(dir string) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	return os.Symlink(self, filepath.Join(dir, pluginName))
}

// KMS puts the plugin into the search path, for the time of a test whose TestMain calls [Main], and returns the URI of a
// new key.
func KMS(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	err := InstallPlugin(dir)
	if err == nil {
		err = WriteKMSKey(filepath.Join(dir, "key"))
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir+string(os.PathListSeparator)+os.Getenv("PATH"))
	return "test://" + filepath.Join(dir, "key")
}

// WriteKMSKey writes a new key for the plugin.
func WriteKMSKey(file string) error {
	p, err := newPair()
	if err != nil {
		return err
	}
	data, err := cryptoutils.MarshalPrivateKeyToPEM(p.key)
	return errors.Join(err, os.WriteFile(file, data, 0o600))
}

// plugin answers one question: version 1 of the protocol of sigstore's cliplugin. Keys whose name ends in a fault have it.
func plugin(args []string, message io.Reader) (any, error) {
	var q struct {
		InitOptions struct{ KeyResourceID string }
		MethodName  string
	}
	if len(args) != 2 || args[0] != "v1" {
		return nil, fmt.Errorf("called with %q", args)
	}
	if err := json.Unmarshal([]byte(args[1]), &q); err != nil {
		return nil, err
	}
	name, fault, _ := strings.Cut(q.InitOptions.KeyResourceID, "?")
	key, err := readKMSKey(name)
	if err != nil {
		return nil, err
	}
	switch {
	case q.MethodName == "publicKey" && fault != "silent":
		data, err := cryptoutils.MarshalPublicKeyToPEM(key.Public())
		return map[string]any{"publicKey": map[string]any{"publicKeyPEM": data}}, err
	case q.MethodName == "signMessage" && fault == "locked":
		return nil, errors.New("the vault is locked")
	case q.MethodName == "signMessage":
		data, err := io.ReadAll(message)
		if err != nil {
			return nil, err
		}
		sum := sha256.Sum256(append(data, fault...)) // of something else, with any other fault
		sig, err := key.Sign(rand.Reader, sum[:], crypto.SHA256)
		return map[string]any{"signMessage": map[string]any{"signature": sig}}, err
	}
	return map[string]any{}, nil
}

func readKMSKey(file string) (*ecdsa.PrivateKey, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	key, err := cryptoutils.UnmarshalPEMToPrivateKey(data, nil)
	if err != nil {
		return nil, err
	}
	return key.(*ecdsa.PrivateKey), nil
}
