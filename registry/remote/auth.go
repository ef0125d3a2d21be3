package remote

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"time"

	"oras.land/oras-go/v2/errdef"
	"oras.land/oras-go/v2/registry/remote/auth"
)

// namespaceKey is the context key of the namespace of the store that a request is for.
type namespaceKey struct{}

func namespaceOf(ctx context.Context) string {
	s, _ := ctx.Value(namespaceKey{}).(string)
	return s
}

// storeClient makes the requests of one store. Its namespace is in their contexts, for there may be a login for it.
type storeClient struct {
	*checkedClient
	namespace string
}

// Do implements oras-go's remote.Client.
func (c storeClient) Do(req *http.Request) (*http.Response, error) {
	return c.checkedClient.Do(req.WithContext(context.WithValue(req.Context(), namespaceKey{}, c.namespace)))
}

// accounts remembers the user name used with each namespace of a host, for error messages.
type accounts struct{ byStore sync.Map }

// record wraps a credential function.
func (a *accounts) record(f auth.CredentialFunc) auth.CredentialFunc {
	return func(ctx context.Context, host string) (auth.Credential, error) {
		c, err := f(ctx, host)
		if err == nil {
			a.byStore.Store(host+"/"+namespaceOf(ctx), c.Username)
		}
		return c, err
	}
}

func (a *accounts) of(ctx context.Context, host string) string {
	name, _ := a.byStore.Load(host + "/" + namespaceOf(ctx))
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

// GetToken implements auth.Cache. A token that is about to end is none. Tokens and, of basic authentication, passwords are
// kept for each namespace, which may have an account of its own.
func (t *tokens) GetToken(ctx context.Context, host string, scheme auth.Scheme, scope string) (string, error) {
	token, err := t.current().GetToken(ctx, host, scheme, namespaceOf(ctx)+" "+t.key(host, scope))
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
	return cache.Set(ctx, host, scheme, namespaceOf(ctx)+" "+t.key(host, scope), fetch)
}
