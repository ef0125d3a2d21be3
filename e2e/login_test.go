package e2e

import (
	"encoding/base64"
	"encoding/json"
	"os"
	"path/filepath"

	"github.com/rogpeppe/go-internal/testscript"
)

// writeLogin writes the docker configuration in dir as docker login to host leaves it.
func writeLogin(dir, host, user, password string) error {
	type login struct {
		Auth string `json:"auth"`
	}
	auths := map[string]login{}
	if user != "" {
		auths[host] = login{base64.StdEncoding.EncodeToString([]byte(user + ":" + password))}
	}
	config, err := json.Marshal(map[string]any{"auths": auths})
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "config.json"), config, 0o600)
}

// login USER PASSWORD does what docker login does to the docker configuration.
func cmdLogin(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 2 || neg {
		ts.Fatalf("usage: login USER PASSWORD")
	}
	ts.Check(writeLogin(ts.Getenv("DOCKER_CONFIG"), ts.Getenv("REGISTRY"), args[0], args[1]))
}

// logout does what docker logout does.
func cmdLogout(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 0 || neg {
		ts.Fatalf("usage: logout")
	}
	ts.Check(writeLogin(ts.Getenv("DOCKER_CONFIG"), "", "", ""))
}
