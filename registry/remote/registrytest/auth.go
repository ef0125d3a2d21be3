package registrytest

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"
)

// Auth is how a registry wants its users to authenticate.
type Auth int

// The ways of authentication.
const (
	NoAuth      Auth = iota
	BasicAuth        // as distribution with htpasswd
	TokenAuth        // a token service whose tokens are for one repository
	HarborToken      // Harbor's token service: tokens are for a whole project
)

const tokenPath = "/service/token"

// login reports whether a request shows the account for a repository.
func (r *Registry) login(req *http.Request, repository string) bool {
	project, _, _ := strings.Cut(repository, "/")
	want, ok := r.o.Accounts[project]
	if !ok {
		want = r.o.User + ":" + r.o.Password
	}
	user, password, ok := req.BasicAuth()
	return ok && user+":"+password == want
}

func (r *Registry) authorized(req *http.Request, l Request) bool {
	switch r.o.Auth {
	case BasicAuth:
		return r.login(req, l.Repository)
	case TokenAuth, HarborToken:
		return slices.Contains(granted(req), r.subject(l)+"="+action(l))
	default:
		return true
	}
}

// subject is what a token must be for.
func (r *Registry) subject(l Request) string {
	name := l.Repository
	if r.o.Auth == HarborToken {
		name, _, _ = strings.Cut(name, "/")
	}
	return name
}

func action(l Request) string {
	if l.Kind == Upload || l.Method == http.MethodPut {
		return "push"
	}
	return "pull"
}

func (r *Registry) challenge(w http.ResponseWriter, l Request) {
	header := `Basic realm="registrytest"`
	if r.o.Auth != BasicAuth {
		service := "registrytest"
		if r.o.Auth == HarborToken {
			service = "harbor-registry"
		}
		scope := "registry:catalog:*"
		if l.Repository != "" {
			scope = "repository:" + l.Repository + ":pull"
			if action(l) == "push" {
				scope += ",push"
			}
		}
		header = fmt.Sprintf(`Bearer realm="%s%s",service=%q,scope=%q`, r.URL, tokenPath, service, scope)
	}
	w.Header().Set("Www-Authenticate", header)
	writeError(w, http.StatusUnauthorized, "UNAUTHORIZED", "authentication required")
}

// claims are what a token says: it is a JSON Web Token that nobody signed.
type claims struct {
	Exp    int64 `json:"exp,omitempty"` // when it ends; 0 = never
	Grants []string
}

// serveToken grants what is asked for, as far as the account is that of the repository.
func (r *Registry) serveToken(w http.ResponseWriter, req *http.Request) {
	var c claims
	for _, scope := range req.URL.Query()["scope"] {
		kind, rest, _ := strings.Cut(scope, ":")
		i := strings.LastIndexByte(rest, ':')
		if i < 0 {
			continue
		}
		l := Request{Repository: rest[:i]}
		if kind == "registry" {
			l.Repository = ""
		}
		if !r.login(req, l.Repository) {
			continue
		}
		for a := range strings.SplitSeq(strings.ReplaceAll(rest[i+1:], "*", "pull"), ",") {
			c.Grants = append(c.Grants, r.subject(l)+"="+a)
		}
	}
	if len(c.Grants) == 0 {
		writeError(w, http.StatusUnauthorized, "UNAUTHORIZED", "wrong user name or password")
		return
	}
	if r.o.TokenLife != 0 {
		c.Exp = time.Now().Add(r.o.TokenLife).Unix()
	}
	data, _ := json.Marshal(c) // of a value that can be
	writeJSON(w, http.StatusOK, map[string]string{"token": "e30." + base64.RawURLEncoding.EncodeToString(data) + ".c2ln"})
}

// granted returns what the token of a request grants, if that has not ended.
func granted(req *http.Request) []string {
	var c claims
	parts := strings.Split(strings.TrimPrefix(req.Header.Get("Authorization"), "Bearer "), ".")
	if len(parts) != 3 {
		return nil
	}
	data, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil || json.Unmarshal(data, &c) != nil || c.Exp != 0 && time.Now().Unix() >= c.Exp {
		return nil
	}
	return c.Grants
}
