package remote

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	"oras.land/oras-go/v2/registry/remote/auth"

	"github.com/modferry/modferry/registry"
	"github.com/modferry/modferry/registry/remote/registrytest"
	"github.com/modferry/modferry/registry/storetest"
)

// credentialFiles gives a test its own home and returns the docker and podman files.
func credentialFiles(t *testing.T) (docker, podman string) {
	dir := t.TempDir()
	t.Setenv("HOME", dir)
	t.Setenv("DOCKER_CONFIG", filepath.Join(dir, "docker"))
	t.Setenv("XDG_RUNTIME_DIR", "")
	t.Setenv("XDG_CONFIG_HOME", "")
	t.Setenv("REGISTRY_AUTH_FILE", filepath.Join(dir, "auth.json"))
	t.Setenv(authConfigEnv, "")
	if err := os.MkdirAll(filepath.Join(dir, "docker"), 0o700); err != nil {
		t.Fatal(err)
	}
	return filepath.Join(dir, "docker", "config.json"), filepath.Join(dir, "auth.json")
}

// authText is the text of a docker configuration with logins, each a key of auths and user:password.
func authText(logins ...string) string {
	var entries []string
	for pair := range slices.Chunk(logins, 2) {
		entries = append(entries, fmt.Sprintf(`%q:{"auth":%q}`, pair[0], base64.StdEncoding.EncodeToString([]byte(pair[1]))))
	}
	return `{"auths":{` + strings.Join(entries, ",") + `}}`
}

func writeAuth(t *testing.T, file string, logins ...string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(authText(logins...)), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestConfiguredCredentials(t *testing.T) {
	docker, podman := credentialFiles(t)
	f := configuredCredentials()
	if c, err := f(t.Context(), "a.example"); err != nil || c != auth.EmptyCredential {
		t.Errorf("without files: %v", err)
	}
	writeAuth(t, docker, "a.example", "dock:er")
	writeAuth(t, podman, "b.example:8443", "pod:man")
	want := func(users map[string]string) {
		t.Helper()
		for host, want := range users {
			if c, err := f(t.Context(), host); err != nil || c.Username != want {
				t.Errorf("%s: user %q, %v; want %q", host, c.Username, err, want)
			}
		}
	}
	want(map[string]string{"a.example": "dock", "b.example:8443": "pod", "c.example": ""})
	writeAuth(t, docker, "a.example", "an:other") // somebody has logged in meanwhile
	want(map[string]string{"a.example": "an"})
	t.Setenv(authConfigEnv, authText("a.example", "git:lab"))
	want(map[string]string{"a.example": "git", "b.example:8443": "pod", "c.example": ""})
}

func TestLoginKey(t *testing.T) {
	const host = "h.example:5000"
	for name, test := range map[string]struct {
		keys      []string
		namespace string
		want      string
	}{
		"the namespace":                {[]string{host, host + "/a", host + "/a/b"}, "a/b", host + "/a/b"},
		"what the namespace is in":     {[]string{host, host + "/a", host + "/a/c"}, "a/b", host + "/a"},
		"the host, for other projects": {[]string{host, host + "/a"}, "b", host},
		"the host, without namespace":  {[]string{host, host + "/a"}, "", host},
		"nobody's":                     {[]string{host + "/b", host + "/ab", host + "/a/b", "a", "other.example/a"}, "a", ""},
		"not without the port":         {[]string{"h.example", "h.example/a"}, "a", ""},
		"the API's URL":                {[]string{"https://" + host + "/v1/", host + "/b"}, "a", "https://" + host + "/v1/"},
		"the API's path":               {[]string{host + "/b", host + "/v2/"}, "a", host + "/v2/"},
		"the host with a slash":        {[]string{host + "/", host + "/b"}, "a", host + "/"},
		"the project before the URL":   {[]string{host + "/a", "https://" + host}, "a", host + "/a"},
		"no keys":                      {nil, "a", ""},
	} {
		if got := loginKey(test.keys, host, test.namespace); got != test.want {
			t.Errorf("%s: %q, want %q", name, got, test.want)
		}
	}
	const hub = "https://index.docker.io/v1/"
	if got := loginKey([]string{"docker.io/b", hub}, "registry-1.docker.io", "a"); got != hub {
		t.Errorf("Docker Hub: %q, want %q", got, hub)
	}
}

func TestAProjectsLoginIsForItAlone(t *testing.T) {
	for name, kind := range map[string]registrytest.Auth{
		"basic": registrytest.BasicAuth, "token": registrytest.TokenAuth, "harbor": registrytest.HarborToken,
	} {
		t.Run(name, func(t *testing.T) {
			absent := digest.FromString("absent").String()
			docker, _ := credentialFiles(t)
			reg := registrytest.New(t, registrytest.Options{Auth: kind, Accounts: map[string]string{
				"a": "robot$a:secret-a", "b": "robot$b:secret-b", "c": "robot$c:secret-c",
			}})
			project := func(name string) string { return reg.Host() + "/" + name }
			writeAuth(t, docker, project("a"), "robot$a:secret-a", project("b"), "robot$b:secret-b", project("d"), "robot$a:secret-a")
			c := newClient(t, ClientOptions{Credentials: configuredCredentials()})
			stores := map[string]*registry.Store{"robot$a": open(t, c, project("a")), "robot$b": open(t, c, project("b/golang"))}
			for _, s := range stores {
				storetest.Image(t, s, "m", "v1")
				if _, _, err := s.Manifest(t.Context(), "m", "v1"); err != nil {
					t.Fatal(err)
				}
			}
			reg.Reset()
			for account, s := range stores { // as they have logged in
				if _, _, err := s.Manifest(t.Context(), "m", "v1"); err != nil {
					t.Error(err)
				}
				_, _, err := s.Manifest(t.Context(), "m", absent)
				var e *registry.Error
				if !errors.Is(err, registry.ErrNotFound) || !errors.As(err, &e) || e.Account != account {
					t.Errorf("%v; want nothing found as %s", err, account)
				}
			}
			if n := reg.Count("", ""); n != 4 {
				t.Errorf("%d requests, want 4: what one account was given was taken to the other", n)
			}
			for name, account := range map[string]string{"c": "", "d": "robot$a"} {
				_, _, err := open(t, c, project(name)).Manifest(t.Context(), "m", "v1")
				storetest.WantMeaning(t, err, registry.ErrUnauthorized)
				var e *registry.Error
				if !errors.As(err, &e) || e.Account != account {
					t.Errorf("%s: %v; want the account %q", name, err, account)
				}
				if strings.Contains(err.Error(), "secret") {
					t.Errorf("%v has a password in it", err)
				}
			}
			writeAuth(t, docker, project("c"), "robot$c:secret-c") // somebody has logged in meanwhile
			storetest.Image(t, open(t, c, project("c")), "m", "v1")
		})
	}
}

func TestProjectsLoginsInAllConfigurations(t *testing.T) {
	const host = "h.example"
	docker, podman := credentialFiles(t)
	writeAuth(t, docker, host+"/b", "dock:er")
	writeAuth(t, podman, host+"/a", "pod:man", host+"/b", "pod:man", "https://"+host, "any:body")
	want := func(users map[string]string) {
		t.Helper()
		for namespace, want := range users {
			ctx := context.WithValue(t.Context(), namespaceKey{}, namespace)
			if c, err := configuredCredentials()(ctx, host); err != nil || c.Username != want {
				t.Errorf("%q: user %q, %v; want %q", namespace, c.Username, err, want)
			}
		}
	}
	want(map[string]string{"a": "pod", "a/x": "pod", "b": "dock", "c": "any", "": "any"})
	t.Setenv(authConfigEnv, authText(host+"/a/x", "git:lab"))
	want(map[string]string{"a": "pod", "a/x": "git", "b": "dock", "c": "any"})
	writeAuth(t, podman, host+"/b", "pod:man")
	want(map[string]string{"a": "", "a/x": "git", "b": "dock", "c": "", "": ""})
}

func TestMalformedLoginsAreNotQuoted(t *testing.T) {
	docker, _ := credentialFiles(t)
	for name, text := range map[string]string{
		"no password": authText("a.example", "canary"),
		"no base64":   `{"auths":{"a.example":{"auth":"canary"}}}`,
		"no text":     `{"auths":{"a.example":{"password":["canary"]}}}`,
		"no object":   `{"auths":{"a.example":"canary"}}`,
		"no logins":   `{"auths":"canary"}`,
		"not JSON":    `canary`,
		"broken off":  `{"auths":{"a.example":{"auth":"canary`,
		"too large":   strings.TrimSuffix(authText("a.example", "u:canary"), "}") + `,"x":"` + strings.Repeat("canary", maxLogins/6) + `"}`,
	} {
		t.Setenv(authConfigEnv, "")
		if err := os.WriteFile(docker, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		check := func(source string) {
			_, err := configuredCredentials()(t.Context(), "a.example")
			if err == nil || !strings.Contains(err.Error(), source) || strings.Contains(err.Error(), "canary") {
				t.Errorf("%s: %v; want %s named and nothing quoted", name, err, source)
			}
		}
		check(docker)
		if len(text) < maxLogins { // which no environment takes
			t.Setenv(authConfigEnv, text)
			check(authConfigEnv)
		}
	}
}

func TestCredentialHelpersAreForHosts(t *testing.T) {
	docker, _ := credentialFiles(t)
	bin := filepath.Dir(docker)
	helper := "#!/bin/sh\necho '{\"Username\":\"helped\",\"Secret\":\"x\"}'\n"
	if err := os.WriteFile(filepath.Join(bin, "docker-credential-modferry-test"), []byte(helper), 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", bin+string(os.PathListSeparator)+os.Getenv("PATH"))
	const helpers = `{"credHelpers":{"a.example":"modferry-test"},"auths":{
		"a.example":{"username":"plain","password":"x"},"a.example/p":{"username":"project","password":"x"}}}`
	want := func(users map[string]string) {
		t.Helper()
		for store, want := range users {
			host, namespace, _ := strings.Cut(store, "/")
			ctx := context.WithValue(t.Context(), namespaceKey{}, namespace)
			if c, err := configuredCredentials()(ctx, host); err != nil || c.Username != want {
				t.Errorf("%s: user %q, %v; want %q", store, c.Username, err, want)
			}
		}
	}
	if err := os.WriteFile(docker, []byte(helpers), 0o600); err != nil {
		t.Fatal(err)
	}
	want(map[string]string{"a.example/other": "helped", "a.example/p/q": "project", "b.example": ""})
	t.Setenv(authConfigEnv, helpers)
	want(map[string]string{"a.example/other": "plain", "a.example/p/q": "project", "b.example": ""})
	t.Setenv(authConfigEnv, `{"credHelpers":{"a.example":"modferry-test"}}`)
	want(map[string]string{"a.example": "helped", "b.example": ""})
}

func TestWithoutAHomeThereAreNoDockerCredentials(t *testing.T) {
	_, podman := credentialFiles(t)
	writeAuth(t, podman, "b.example", "pod:man")
	t.Setenv("HOME", "")
	t.Setenv("DOCKER_CONFIG", "")
	f := configuredCredentials()
	for host, want := range map[string]string{"a.example": "", "b.example": "pod"} {
		if c, err := f(t.Context(), host); err != nil || c.Username != want {
			t.Errorf("%s: user %q, %v; want %q", host, c.Username, err, want)
		}
	}
}

func TestBrokenCredentialsFileIsNamed(t *testing.T) {
	docker, _ := credentialFiles(t)
	if err := os.WriteFile(docker, []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	reg := registrytest.New(t, registrytest.Options{Auth: registrytest.BasicAuth, User: "u", Password: "p"})
	c, err := NewClient(ClientOptions{})
	if err != nil {
		t.Fatal(err)
	}
	_, _, err = open(t, c, reg.Host()+"/golang").Manifest(t.Context(), "a", "v1")
	storetest.WantMeaning(t, err, registry.ErrUnauthorized)
	if !strings.Contains(err.Error(), docker) {
		t.Errorf("%v; want the name of the file", err)
	}
}
