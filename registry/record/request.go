package record

import (
	"errors"
	"fmt"
	"path"
	"strings"

	"golang.org/x/mod/module"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/modferry/modferry/artifact/goproxy"
)

// sumDB is the kind of a file of a checksum database, which is passed through. It has nothing but the kind.
const sumDB goproxy.Kind = "checksum database"

// parseRequest takes apart what follows a session's address.
func parseRequest(name string) (goproxy.File, error) {
	if rest, ok := strings.CutPrefix(name, "sumdb/"); ok {
		return goproxy.File{Kind: sumDB}, checkSumDB(rest)
	}
	f, err := goproxy.Parse(name)
	if err == nil && (f.Kind == goproxy.Mod || f.Kind == goproxy.Zip) && !goproxy.IsVersion(f.Version) {
		err = fmt.Errorf("%q is no version of %s", f.Version.Version, f.Path)
	}
	return f, err
}

// checkSumDB checks the name of a file of a checksum database:
//
//	<log name>/supported, <log name>/latest, <log name>/lookup/<module>@<version>, <log name>/tile/…
//
// A log may have a path in its name.
func checkSumDB(name string) error {
	if name != path.Clean(name) || strings.HasPrefix(name, "/") || strings.HasPrefix(name, "..") {
		return errors.New("it is not clean")
	}
	if log, tile, ok := strings.Cut(name, "/tile/"); ok {
		if _, err := tlog.ParseTilePath("tile/" + tile); err != nil {
			return err
		}
		return module.CheckImportPath(log)
	}
	if log, looked, ok := strings.Cut(name, "/lookup/"); ok {
		escaped, version, _ := strings.Cut(looked, "@")
		if _, err := module.UnescapePath(escaped); err != nil {
			return err
		}
		if _, err := module.UnescapeVersion(version); err != nil {
			return err
		}
		return module.CheckImportPath(log)
	}
	log, file := path.Split(name)
	if file != "supported" && file != "latest" {
		return errors.New("it is no file of a checksum database")
	}
	return module.CheckImportPath(strings.TrimSuffix(log, "/"))
}
