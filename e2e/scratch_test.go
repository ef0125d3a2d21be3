package e2e

import (
	"os"
	"strconv"

	"github.com/rogpeppe/go-internal/testscript"
)

// scratch FILE FROM LENGTH changes a stretch of a file, as a scratched disc does; both are in per cent of its size.
// What is "cut" instead of changed at the end is missing, as behind a one-way link that broke off: scratch FILE FROM
// cut.
func cmdScratch(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 3 || neg {
		ts.Fatalf("usage: scratch FILE FROM LENGTH|cut")
	}
	name := ts.MkAbs(args[0])
	data, err := os.ReadFile(name)
	ts.Check(err)
	from := share(ts, len(data), args[1])
	if args[2] == "cut" {
		data = data[:from]
	} else {
		for i := range share(ts, len(data), args[2]) {
			data[from+i] ^= 0x55
		}
	}
	ts.Check(os.WriteFile(name, data, 0o644))
}

func share(ts *testscript.TestScript, n int, percent string) int {
	p, err := strconv.Atoi(percent)
	ts.Check(err)
	return n * p / 100
}
