package e2e

import (
	"net/http/httptest"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/modferry/modferry/artifact/sign/sigstoretest"
)

// authority SUBJECT ISSUER makes a certificate authority, with a key and a certificate for SUBJECT: leaf.key, leaf.pem,
// chain.pem, trusted_root.json. $TIMESTAMPS is the address of the timestamp authority that the root names.
func cmdAuthority(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: authority SUBJECT ISSUER")
	}
	handler, err := sigstoretest.Authority(ts.MkAbs("."), args[0], args[1])
	ts.Check(err)
	server := httptest.NewServer(handler)
	ts.Defer(server.Close)
	ts.Setenv("TIMESTAMPS", server.URL)
}
