package doctor

import (
	"cmp"
	"errors"
	"slices"
	"strings"

	"golang.org/x/mod/module"

	"github.com/modferry/modferry/artifact/goproxy"
	"github.com/modferry/modferry/artifact/sumdb"
)

// settings examines what the go command is told, GOPROXY apart.
func (e *examination) settings() []Finding {
	var findings []Finding
	for _, c := range []struct {
		name  string
		check func(value string) Finding
	}{
		{"GONOPROXY", e.noProxy},
		{"GOPRIVATE", noteIfSet("it stands in for GONOPROXY and GONOSUMDB where they are not set; behind the shim GONOSUMDB alone is enough")},
		{"GOSUMDB", e.sumDB},
		{"GONOSUMDB", e.noSumDB},
		{"GOINSECURE", noteIfSet("it concerns modules fetched from their origin only, so nothing that comes through the shim")},
		{"GOTOOLCHAIN", toolchain},
	} {
		f := c.check(e.env.values[c.name])
		f.Check, f.Value, f.From = c.name, e.env.values[c.name], e.env.from(c.name)
		findings = append(findings, f)
	}
	return findings
}

func noteIfSet(detail string) func(string) Finding {
	return func(value string) Finding {
		if value == "" {
			return ok("")
		}
		return note(detail)
	}
}

// noProxy: whatever GONOPROXY matches is fetched from its origin, past the shim.
func (e *examination) noProxy(value string) Finding {
	if value == "" || value == "none" {
		return ok("")
	}
	return wrong("modules matching it are fetched from their origin and not through the shim", e.env.set("GONOPROXY", "none"))
}

// sumDB: the log has to be the one that the store has snapshots of, and its address none at all.
func (e *examination) sumDB(value string) Finding {
	mend := e.env.set("GOSUMDB", e.Log.Setting())
	log, address, err := sumdb.ParseGOSUMDB(value)
	switch {
	case errors.Is(err, sumdb.ErrOff):
		return wrong("nothing is checked against the checksum database, and the go command refuses to switch toolchains", mend)
	case err != nil:
		return wrong(err.Error(), mend)
	case address != "":
		return wrong("the go command asks "+address+" itself, and not the shim", mend)
	case log.Key() != e.Log.Key():
		return wrong("the go command asks for "+log.Name()+", and --sumdb is "+e.Log.Name(), mend)
	}
	return ok("")
}

// noSumDB: private modules and nothing else.
func (e *examination) noSumDB(value string) Finding {
	var missing []string
	for pattern := range strings.SplitSeq(e.Private, ",") {
		if pattern = strings.TrimSpace(pattern); pattern != "" && !slices.Contains(strings.Split(value, ","), pattern) {
			missing = append(missing, pattern)
		}
	}
	list := strings.Join(missing, ",")
	switch err := goproxy.CheckSpaces(value); {
	case err != nil:
		return wrong(err.Error(), e.env.set("GONOSUMDB", strings.ReplaceAll(value, " ", "")))
	case module.MatchPrefixPatterns(value, "anything.example/module"):
		return wrong("it matches every module: nothing is checked against the checksum database", e.env.set("GONOSUMDB", cmp.Or(e.Private, "none")))
	case list != "":
		return wrong("private modules ("+list+") are looked up in the checksum database, which does not know them",
			e.env.set("GONOSUMDB", strings.Trim(value+","+list, ",")))
	case value != "":
		return ok("modules matching it are not checked against the checksum database")
	}
	return ok("")
}

func toolchain(value string) Finding {
	if value == "local" || value == "path" || strings.HasSuffix(value, "+path") {
		return ok("")
	}
	return ok("toolchains that go.mod files ask for come through the shim: modferry mirror toolchain@go1.X brings them")
}
