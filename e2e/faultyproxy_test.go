package e2e

import (
	"net/http"
	"net/http/httptest"
	"regexp"
	"strconv"

	"github.com/rogpeppe/go-internal/testscript"
)

// fault is what a faulty proxy answers to paths that match a pattern.
type fault struct {
	code int
	path *regexp.Regexp
}

// faulty TREE [CODE PATTERN]… starts a GOPROXY that has a tree of modules, but answers requests for paths that match
// a pattern with the status CODE. It sets $FAULTY to its address.
func cmdFaulty(ts *testscript.TestScript, neg bool, args []string) {
	if len(args)%2 != 1 || neg {
		ts.Fatalf("usage: faulty TREE [CODE PATTERN]…")
	}
	var faults []fault
	for i := 1; i < len(args); i += 2 {
		code, err := strconv.Atoi(args[i])
		ts.Check(err)
		path, err := regexp.Compile(args[i+1])
		ts.Check(err)
		faults = append(faults, fault{code, path})
	}
	files := http.FileServer(http.Dir(ts.MkAbs(args[0])))
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for _, f := range faults {
			if !f.path.MatchString(r.URL.Path) {
				continue
			}
			if f.code == http.StatusUnauthorized {
				w.Header().Set("WWW-Authenticate", `Basic realm="members only"`)
			}
			http.Error(w, http.StatusText(f.code), f.code)
			return
		}
		files.ServeHTTP(w, r)
	}))
	ts.Defer(server.Close)
	ts.Setenv("FAULTY", server.URL)
}
