package remote

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"oras.land/oras-go/v2/registry/remote/auth"
	"oras.land/oras-go/v2/registry/remote/credentials"
)

// authConfigEnv holds the text of a docker configuration, as GitLab's CI/CD variables and docker itself have it. It wins
// over the files there, too.
const authConfigEnv = "DOCKER_AUTH_CONFIG"

const maxLogins = 1 << 20 // bytes of a configuration that are read

// configuredCredentials looks into DOCKER_AUTH_CONFIG, then the docker configuration and, where neither has anything for
// the store, podman's. All may name credential helpers. They are read whenever a registry asks, for somebody may log in
// while the shim runs.
func configuredCredentials() auth.CredentialFunc {
	return func(ctx context.Context, host string) (auth.Credential, error) {
		c, err := firstCredential(ctx, host, namespaceOf(ctx))
		if err != nil {
			return auth.EmptyCredential, fmt.Errorf("reading registry credentials: %w", err)
		}
		return c, nil
	}
}

func firstCredential(ctx context.Context, host, namespace string) (auth.Credential, error) {
	for _, name := range append([]string{authConfigEnv}, loginFiles()...) {
		l, err := readLogins(name)
		if err != nil {
			return auth.EmptyCredential, err
		}
		if c, err := l.credential(ctx, host, namespace); err != nil || c != auth.EmptyCredential {
			return c, err
		}
	}
	return auth.EmptyCredential, nil
}

// loginFiles are docker's configuration, unless there is no home, as of a service, and the files containers-auth.json(5)
// names, in its order.
func loginFiles() []string {
	var names []string
	home, err := os.UserHomeDir()
	if dir := os.Getenv("DOCKER_CONFIG"); dir != "" {
		names = append(names, filepath.Join(dir, "config.json"))
	} else if err == nil {
		names = append(names, filepath.Join(home, ".docker", "config.json"))
	}
	if name := os.Getenv("REGISTRY_AUTH_FILE"); name != "" {
		names = append(names, name)
	}
	if dir := os.Getenv("XDG_RUNTIME_DIR"); dir != "" {
		names = append(names, filepath.Join(dir, "containers", "auth.json"))
	}
	if dir := os.Getenv("XDG_CONFIG_HOME"); dir != "" {
		names = append(names, filepath.Join(dir, "containers", "auth.json"))
	} else if err == nil {
		names = append(names, filepath.Join(home, ".config", "containers", "auth.json"))
	}
	return names
}

// logins are what a docker or podman configuration has of them.
type logins struct {
	Auths       map[string]json.RawMessage `json:"auths"` // by host, or by host and the beginning of a repository's name
	CredHelpers map[string]string          `json:"credHelpers"`
	CredsStore  string                     `json:"credsStore"`

	source string
}

// readLogins reads a file, which may be absent or empty, or authConfigEnv. Its error quotes nothing of the text.
func readLogins(source string) (*logins, error) {
	l := &logins{source: source}
	var text io.Reader = strings.NewReader(os.Getenv(authConfigEnv))
	if source != authConfigEnv {
		f, err := os.Open(source)
		if errors.Is(err, fs.ErrNotExist) {
			return l, nil
		}
		if err != nil {
			return nil, err
		}
		defer f.Close()
		text = f
	}
	if err := json.NewDecoder(io.LimitReader(text, maxLogins)).Decode(l); err != nil && err != io.EOF {
		return nil, fmt.Errorf("%s is not the text of a docker or podman configuration", source)
	}
	return l, nil
}

// credential returns the login for a namespace of a host. Credential helpers know hosts only: a login for the project wins,
// and in authConfigEnv any that auths has.
func (l *logins) credential(ctx context.Context, host, namespace string) (auth.Credential, error) {
	address := credentials.ServerAddressFromHostname(host)
	helper := cmp.Or(l.CredHelpers[address], l.CredsStore)
	key := loginKey(slices.Sorted(maps.Keys(l.Auths)), host, namespace)
	if helper == "" || l.source == authConfigEnv || strings.HasPrefix(key, host+"/") {
		if c, err := l.plain(ctx, key); err != nil || c != auth.EmptyCredential {
			return c, err
		}
	}
	if helper == "" {
		return auth.EmptyCredential, nil
	}
	return credentials.NewNativeStore(helper).Get(ctx, address)
}

// plain returns what auths has under a key.
func (l *logins) plain(ctx context.Context, key string) (auth.Credential, error) {
	entry, ok := l.Auths[key]
	if !ok {
		return auth.EmptyCredential, nil
	}
	// Under the key of a host without a path: oras-go takes any login with a path for that of its host.
	s, err := credentials.NewMemoryStoreFromDockerConfig(fmt.Appendf(nil, `{"auths":{"host":%s}}`, entry))
	if err != nil { // which may quote a password
		return auth.EmptyCredential, fmt.Errorf("%s has a malformed login", l.source)
	}
	return s.Get(ctx, "host")
}

// loginKey returns that of the keys of auths which is for a namespace of a host, "" if none is: the longest that leads to
// the namespace, as containers-auth.json(5) says, then the host's, which docker has written in several forms.
func loginKey(keys []string, host, namespace string) string {
	for key := path.Join(host, namespace); key != "."; key = path.Dir(key) {
		if slices.Contains(keys, key) {
			return key
		}
	}
	if key := credentials.ServerAddressFromHostname(host); slices.Contains(keys, key) {
		return key
	}
	for _, key := range keys {
		address := strings.TrimPrefix(strings.TrimPrefix(key, "https://"), "http://")
		name, api, _ := strings.Cut(address, "/")
		if name == host && (address != key || slices.Contains([]string{"", "v1/", "v2/"}, api)) {
			return key
		}
	}
	return ""
}
