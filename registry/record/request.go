package record

import (
	"errors"
	"fmt"
	"path"
	"strings"

	"golang.org/x/mod/module"
	"golang.org/x/mod/sumdb/tlog"
)

// request is a name of the GOPROXY protocol taken apart: a file of a version or,
// for .info, of a revision; a list or @latest of a module; or, with no module, a
// file of a checksum database, which is passed through.
type request struct {
	module.Version
	ext string
}

const (
	infoExt   = ".info"
	modExt    = ".mod"
	zipExt    = ".zip"
	listExt   = "list"
	latestExt = "latest"
	sumdbExt  = "sumdb"
)

var errSyntax = errors.New("not a file of the GOPROXY protocol")

// parseRequest takes apart what follows a session's address. Its error is
// errSyntax.
func parseRequest(name string) (request, error) {
	q, err := parseName(name)
	if err != nil {
		return request{}, fmt.Errorf("%w: %w", errSyntax, err)
	}
	return q, nil
}

func parseName(name string) (request, error) {
	if rest, ok := strings.CutPrefix(name, "sumdb/"); ok {
		return request{ext: sumdbExt}, checkSumDB(rest)
	}
	if escaped, ok := strings.CutSuffix(name, "/@latest"); ok {
		modPath, err := module.UnescapePath(escaped)
		return request{module.Version{Path: modPath}, latestExt}, err
	}
	escaped, file, ok := strings.Cut(name, "/@v/")
	if !ok {
		return request{}, errors.New("there is neither /@v/ nor /@latest in it")
	}
	modPath, err := module.UnescapePath(escaped)
	if err != nil {
		return request{}, err
	}
	if file == "list" {
		return request{module.Version{Path: modPath}, listExt}, nil
	}
	ext := path.Ext(file)
	version, err := module.UnescapeVersion(strings.TrimSuffix(file, ext))
	if err != nil {
		return request{}, err
	}
	q := request{module.Version{Path: modPath, Version: version}, ext}
	switch {
	case ext == infoExt:
		return q, nil
	case ext != modExt && ext != zipExt:
		return request{}, errors.New("the file is neither list nor an .info, .mod or .zip")
	case !q.isVersion():
		return request{}, fmt.Errorf("%q is no version of %s", version, modPath)
	}
	return q, nil
}

// isVersion reports whether q is about a canonical version of its module rather
// than a revision.
func (q request) isVersion() bool { return isVersion(q.Version) }

func isVersion(m module.Version) bool {
	return module.CanonicalVersion(m.Version) == m.Version && module.Check(m.Path, m.Version) == nil
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
