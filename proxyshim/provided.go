package proxyshim

import (
	"archive/zip"
	"context"
	"io"
	"path"
	"strings"

	"golang.org/x/mod/module"

	"github.com/modferry/modferry/proxyshim/cache"
)

// A doubt is an occasion on which the same was asked of modules above the path, and found. Then the path may be that
// of a package of one of them, and nothing is missing: "go install example.com/a/cmd/x@latest" asks for
// example.com/a/cmd/x, too. Or it is that of a module that is missing. The zip of the module above tells.
type doubt struct {
	occasion
	above []string // module paths, the longest first
}

// isProvided reports whether one of the modules above has the package. What cannot be found out is not so.
func (h *Handler) isProvided(d doubt) bool {
	ctx, cancel := context.WithTimeout(h.ctx, patience)
	defer cancel()
	for _, above := range d.above {
		m, err := h.meantAbove(ctx, above, d.key)
		if err != nil {
			continue
		}
		if has, err := h.hasPackage(ctx, m, d.key.module.Path); has && err == nil {
			return true
		}
	}
	return false
}

// meantAbove returns the version of a module that was asked for, if it was the same that key asks for.
func (h *Handler) meantAbove(ctx context.Context, modPath string, key missKey) (module.Version, error) {
	m := module.Version{Path: modPath, Version: key.module.Version}
	switch {
	case m.Version != "":
		return m, nil
	case what(key) != "latest":
		return h.meaning(ctx, request{kind: kindRevision, module: m, name: key.query}, false)
	}
	l, err := ask(ctx, h, h.listings, m, false)
	if err == nil {
		m.Version = l.latest
	}
	return m, err
}

// hasPackage reports whether the zip of m has Go files in the directory of a package.
func (h *Handler) hasPackage(ctx context.Context, m module.Version, pkg string) (bool, error) {
	f, _, err := h.open(ctx, m, cache.ZipExt)
	if err != nil {
		return false, err
	}
	defer f.Close()
	size, err := f.Seek(0, io.SeekEnd)
	r, ok := f.(io.ReaderAt)
	if err != nil || !ok {
		return false, err
	}
	z, err := zip.NewReader(r, size)
	if err != nil {
		return false, err
	}
	dir := m.String() + strings.TrimPrefix(pkg, m.Path)
	for _, file := range z.File {
		if path.Ext(file.Name) == ".go" && path.Dir(file.Name) == dir {
			return true, nil
		}
	}
	return false, nil
}
