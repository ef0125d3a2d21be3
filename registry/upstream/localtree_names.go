package upstream

import (
	"encoding/json"
	"path"

	"golang.org/x/mod/module"

	"github.com/modferry/modferry/artifact/goproxy"
)

// localNames returns the slash-separated names that a version's file may have in a
// directory, the protocol's own first.
func localNames(w goproxy.File) []string {
	name, err := w.Name()
	if err != nil {
		return nil
	}
	if !goproxy.IsVersion(w.Version) {
		return []string{name}
	}
	return []string{name, path.Join(w.Path, w.Version.Version, athensName(w.Kind, w.Version.Version))}
}

// athensName returns the name of a file in a version's directory of Athens' storage.
func athensName(kind goproxy.Kind, dir string) string {
	switch kind {
	case goproxy.Zip:
		return "source.zip"
	case goproxy.Mod:
		return "go.mod"
	}
	return dir + ".info"
}

// MadeUpInfo is the .info file of a version of which nothing is known.
func MadeUpInfo(m module.Version) []byte {
	data, _ := json.Marshal(struct{ Version string }{m.Version}) // of a string, it cannot fail
	return data
}
