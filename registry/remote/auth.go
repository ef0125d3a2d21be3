package remote

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"oras.land/oras-go/v2/errdef"
	"oras.land/oras-go/v2/registry/remote/auth"
	"oras.land/oras-go/v2/registry/remote/credentials"
)

// configuredCredentials reads what DOCKER_AUTH_CONFIG holds, then the docker configuration and, where neither has anything
// for a host, podman's. All may name credential helpers. They are read whenever a registry asks, for somebody may log in
// while the shim runs.
func configuredCredentials() auth.CredentialFunc {
	return func(ctx context.Context, host string) (auth.Credential, error) {
		store, err := configuredStore(host)
		if err != nil {
			return auth.EmptyCredential, fmt.Errorf("reading registry credentials: %w", err)
		}
		return credentials.Credential(store)(ctx, host)
	}
}

func configuredStore(host string) (credentials.Store, error) {
	docker, err := dockerCredentials()
	if err != nil {
		return nil, err
	}
	stores := []credentials.Store{docker}
	for _, name := range podmanFiles() {
		s, err := credentials.NewStore(name, credentials.StoreOptions{}) // empty where there is no such file
		if err != nil {
			return nil, err
		}
		stores = append(stores, s)
	}
	if text := os.Getenv(authConfigEnv); text != "" {
		s, err := parseAuthConfig(text, host)
		if err != nil {
			return nil, err
		}
		stores = slices.Insert(stores, 0, s)
	}
	return credentials.NewStoreWithFallbacks(stores[0], stores[1:]...), nil
}

// authConfigEnv holds the text of a docker configuration, as GitLab's CI/CD variables and docker itself have it. It wins
// over the files there, too.
const authConfigEnv = "DOCKER_AUTH_CONFIG"

// parseAuthConfig reads what a docker configuration has for a host.
func parseAuthConfig(text, host string) (credentials.Store, error) {
	var helpers struct {
		CredHelpers map[string]string `json:"credHelpers"`
		CredsStore  string            `json:"credsStore"`
	}
	s, err := credentials.NewMemoryStoreFromDockerConfig([]byte(text))
	if err == nil {
		err = json.Unmarshal([]byte(text), &helpers)
	}
	if err != nil { // which may quote a part of it
		return nil, fmt.Errorf("%s is not the text of a docker configuration", authConfigEnv)
	}
	if helper := cmp.Or(helpers.CredHelpers[host], helpers.CredsStore); helper != "" {
		s = credentials.NewStoreWithFallbacks(s, credentials.NewNativeStore(helper))
	}
	return s, nil
}

// dockerCredentials reads the docker configuration, or nothing where it cannot be: a service may have no home.
func dockerCredentials() (credentials.Store, error) {
	if _, err := os.UserHomeDir(); err != nil && os.Getenv("DOCKER_CONFIG") == "" {
		return credentials.NewMemoryStore(), nil
	}
	return credentials.NewStoreFromDocker(credentials.StoreOptions{})
}

// podmanFiles are the files containers-auth.json(5) names, in its order.
func podmanFiles() []string {
	var names []string
	if name := os.Getenv("REGISTRY_AUTH_FILE"); name != "" {
		names = append(names, name)
	}
	if dir := os.Getenv("XDG_RUNTIME_DIR"); dir != "" {
		names = append(names, filepath.Join(dir, "containers", "auth.json"))
	}
	if dir := os.Getenv("XDG_CONFIG_HOME"); dir != "" {
		names = append(names, filepath.Join(dir, "containers", "auth.json"))
	} else if home, err := os.UserHomeDir(); err == nil {
		names = append(names, filepath.Join(home, ".config", "containers", "auth.json"))
	}
	return names
}

// accounts remembers the user name used with each host, for error messages.
type accounts struct{ byHost sync.Map }

// record wraps a credential function.
func (a *accounts) record(f auth.CredentialFunc) auth.CredentialFunc {
	return func(ctx context.Context, host string) (auth.Credential, error) {
		c, err := f(ctx, host)
		if err == nil {
			a.byHost.Store(host, c.Username)
		}
		return c, err
	}
}

func (a *accounts) of(host string) string {
	name, _ := a.byHost.Load(host)
	s, _ := name.(string)
	return s
}

// maxTokens bounds the tokens kept: their scopes come from module paths, and those from whoever asks.
const maxTokens = 4096

// harborService is the service name in Harbor's challenges. A token of Harbor is good for all repositories of its
// project, so one per project will do; other registries answer as if denied to a token of another repository.
const harborService = "harbor-registry"

// challengeParam matches the parameters of a Www-Authenticate header (RFC 9110, 11.2) that matter here.
var challengeParam = regexp.MustCompile(`(?i)\b(realm|service)="([^"]*)"`)

// tokens is the auth cache of a Client.
type tokens struct {
	mu         sync.Mutex
	cache      auth.Cache
	stored     int
	challenges map[string]challenge // by host
}

type challenge struct{ realm, service string }

func newTokens() *tokens {
	return &tokens{cache: auth.NewCache(), challenges: make(map[string]challenge)}
}

// observe looks at each answer for the registry's challenge.
func (t *tokens) observe(resp *http.Response) {
	header := resp.Header.Get("Www-Authenticate")
	if resp.StatusCode != http.StatusUnauthorized || header == "" {
		return
	}
	var c challenge
	for _, m := range challengeParam.FindAllStringSubmatch(header, -1) {
		if strings.EqualFold(m[1], "realm") {
			c.realm = m[2]
		} else {
			c.service = m[2]
		}
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.challenges[resp.Request.URL.Host] = c
}

// realmHost returns the host name of a registry's token service, "" if unknown.
func (t *tokens) realmHost(host string) string {
	t.mu.Lock()
	defer t.mu.Unlock()
	u, err := url.Parse(t.challenges[host].realm)
	if err != nil {
		return ""
	}
	return u.Hostname()
}

// key returns what a token is kept under: its scope, or that of its whole project.
func (t *tokens) key(host, scope string) string {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.challenges[host].service != harborService {
		return scope
	}
	name, ok := strings.CutPrefix(scope, "repository:")
	project, rest, nested := strings.Cut(name, "/")
	i := strings.LastIndexByte(rest, ':')
	if !ok || !nested || i < 0 || strings.Contains(scope, " ") {
		return scope
	}
	return "repository:" + project + rest[i:]
}

func (t *tokens) current() auth.Cache {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.cache
}

// GetScheme implements auth.Cache.
func (t *tokens) GetScheme(ctx context.Context, host string) (auth.Scheme, error) {
	return t.current().GetScheme(ctx, host)
}

// GetToken implements auth.Cache. A token that is about to end is none.
func (t *tokens) GetToken(ctx context.Context, host string, scheme auth.Scheme, scope string) (string, error) {
	token, err := t.current().GetToken(ctx, host, scheme, t.key(host, scope))
	if err != nil || scheme != auth.SchemeBearer {
		return token, err
	}
	if end, known := expiry(token); known && time.Until(end) < tokenMargin {
		return "", fmt.Errorf("%w: the token for %s ends", errdef.ErrNotFound, host)
	}
	return token, nil
}

// Set implements auth.Cache.
func (t *tokens) Set(ctx context.Context, host string, scheme auth.Scheme, scope string, fetch func(context.Context) (string, error)) (string, error) {
	t.mu.Lock()
	if t.stored++; t.stored > maxTokens {
		t.cache, t.stored = auth.NewCache(), 0
	}
	cache := t.cache
	t.mu.Unlock()
	return cache.Set(ctx, host, scheme, t.key(host, scope), fetch)
}
