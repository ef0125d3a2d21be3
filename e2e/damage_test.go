package e2e

import (
	"bytes"
	"os"

	"github.com/rogpeppe/go-internal/testscript"
)

// damage FILE TEXT flips a bit in a file, in the middle of where TEXT is in it.
func cmdDamage(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 2 || neg {
		ts.Fatalf("usage: damage FILE TEXT")
	}
	file := ts.MkAbs(args[0])
	data, err := os.ReadFile(file)
	ts.Check(err)
	at := bytes.Index(data, []byte(args[1]))
	if at < 0 {
		ts.Fatalf("%s has no %q", args[0], args[1])
	}
	data[at+len(args[1])/2] ^= 1
	ts.Check(writeFile(file, string(data)))
}
