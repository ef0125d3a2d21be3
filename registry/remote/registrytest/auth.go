package registrytest

import (
	"encoding/base64"
	"encoding/json"
	"errors"
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

func (r *Registry) login(req *http.Request) bool {
	user, password, ok := req.BasicAuth()
	return ok && user == r.o.User && password == r.o.Password
}

func (r *Registry) authorized(req *http.Request, l Request) bool {
	switch r.o.Auth {
	case BasicAuth:
		return r.login(req)
	case TokenAuth, HarborToken:
		encoded, _ := strings.CutPrefix(req.Header.Get("Authorization"), "Bearer ")
		granted, err := r.granted(encoded)
		return err == nil && slices.Contains(strings.Fields(string(granted)), r.subject(l)+"="+action(l))
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

// serveToken grants what is asked for. A token is its grants in plain.
func (r *Registry) serveToken(w http.ResponseWriter, req *http.Request) {
	if !r.login(req) {
		writeError(w, http.StatusUnauthorized, "UNAUTHORIZED", "wrong user name or password")
		return
	}
	var grants []string
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
		for a := range strings.SplitSeq(rest[i+1:], ",") {
			if a == "*" {
				a = "pull"
			}
			grants = append(grants, r.subject(l)+"="+a)
		}
	}
	token := base64.RawURLEncoding.EncodeToString([]byte(strings.Join(grants, " ")))
	if life := r.o.TokenLife; life != 0 {
		claims := fmt.Sprintf(`{"exp":%d,"grants":%q}`, time.Now().Add(life).Unix(), token)
		token = "e30." + base64.RawURLEncoding.EncodeToString([]byte(claims)) + ".c2ln"
	}
	writeJSON(w, http.StatusOK, map[string]string{"token": token})
}

// granted returns the grants in a token, if it has not ended.
func (r *Registry) granted(token string) ([]byte, error) {
	if r.o.TokenLife != 0 {
		_, claims, _ := strings.Cut(token, ".")
		claims, _, _ = strings.Cut(claims, ".")
		var c struct {
			Exp    int64
			Grants string
		}
		data, err := base64.RawURLEncoding.DecodeString(claims)
		if err == nil {
			err = json.Unmarshal(data, &c)
		}
		if err == nil && time.Now().Unix() >= c.Exp {
			err = errors.New("the token has ended")
		}
		if err != nil {
			return nil, err
		}
		token = c.Grants
	}
	return base64.RawURLEncoding.DecodeString(token)
}
