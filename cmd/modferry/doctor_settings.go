package main

import (
	"cmp"
	"errors"
	"slices"
	"strings"

	"golang.org/x/mod/module"

	"github.com/modferry/modferry/artifact/sumdb"
)

// settings examines what the go command is told, GOPROXY apart.
func (p *patient) settings() []finding {
	list := []finding{p.noProxy(), p.goPrivate(), p.sumDB(), p.noSumDB(), p.insecure(), p.toolchain()}
	for i := range list {
		list[i].Value = p.goEnv.get(list[i].Check)
		list[i].From = p.goEnv.from(list[i].Check)
		if list[i].Status == "" {
			list[i].Status = stateOK
		}
	}
	return list
}

// noProxy: whatever GONOPROXY matches is fetched from its origin, past the shim.
func (p *patient) noProxy() finding {
	f := finding{Check: "GONOPROXY"}
	if v := p.goEnv.get(f.Check); v != "" && v != "none" {
		f.Status = stateWrong
		f.Detail = "modules matching it are fetched from their origin and not through the shim"
		f.Mend = p.goEnv.set(f.Check, "none")
	}
	return f
}

func (p *patient) goPrivate() finding {
	f := finding{Check: "GOPRIVATE"}
	if p.goEnv.get(f.Check) != "" {
		f.Status = stateNote
		f.Detail = "it stands in for GONOPROXY and GONOSUMDB where they are not set; behind the shim GONOSUMDB alone is enough"
	}
	return f
}

// sumDB: the log has to be the one that the store has snapshots of, and its address none at all.
func (p *patient) sumDB() finding {
	f := finding{Check: "GOSUMDB"}
	log, address, err := sumdb.ParseGOSUMDB(p.goEnv.get(f.Check))
	switch {
	case errors.Is(err, sumdb.ErrOff):
		f.Detail = "nothing is checked against the checksum database, and the go command refuses to switch toolchains"
	case err != nil:
		f.Detail = err.Error()
	case address != "":
		f.Detail = "the go command asks " + address + " itself, and not the shim"
	case log.Key() != p.log.Key():
		f.Detail = "the go command asks for " + log.Name() + ", and --" + flagSumDB + " is " + p.log.Name()
	default:
		return f
	}
	f.Status = stateWrong
	if p.log.Name() == sumdb.DefaultLog {
		f.Mend = p.goEnv.unset(f.Check, sumdb.DefaultLog)
	} else {
		f.Mend = p.goEnv.set(f.Check, p.log.Key())
	}
	return f
}

// noSumDB: private modules and nothing else.
func (p *patient) noSumDB() finding {
	f := finding{Check: "GONOSUMDB"}
	have := p.goEnv.get(f.Check)
	var missing []string
	for pattern := range strings.SplitSeq(p.private, ",") {
		if pattern = strings.TrimSpace(pattern); pattern != "" && !slices.Contains(strings.Split(have, ","), pattern) {
			missing = append(missing, pattern)
		}
	}
	switch {
	case module.MatchPrefixPatterns(have, "anything.example/module"):
		f.Status, f.Detail = stateWrong, "it matches every module: nothing is checked against the checksum database"
		f.Mend = p.goEnv.set(f.Check, cmp.Or(p.private, "none"))
	case len(missing) > 0:
		f.Status, f.Detail = stateWrong, "private modules ("+strings.Join(missing, ",")+") are looked up in the checksum database, which does not know them"
		f.Mend = p.goEnv.set(f.Check, joinPatterns(have, strings.Join(missing, ",")))
	case have != "":
		f.Detail = "modules matching it are not checked against the checksum database"
	}
	return f
}

func (p *patient) insecure() finding {
	f := finding{Check: "GOINSECURE"}
	if p.goEnv.get(f.Check) != "" {
		f.Status = stateNote
		f.Detail = "it concerns modules fetched from their origin only, so nothing that comes through the shim"
	}
	return f
}

func (p *patient) toolchain() finding {
	f := finding{Check: "GOTOOLCHAIN"}
	if v := p.goEnv.get(f.Check); v != "local" && v != "path" && !strings.HasSuffix(v, "+path") {
		f.Detail = "toolchains that go.mod files ask for come through the shim: modferry mirror toolchain@go1.X brings them"
	}
	return f
}
