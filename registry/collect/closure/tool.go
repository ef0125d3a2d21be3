package closure

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"runtime"
	"strings"

	"golang.org/x/mod/module"
	modzip "golang.org/x/mod/zip"
)

// Tool finds out what "go install pkg@query" needs on each platform (os/arch; none = this machine's), and
// which toolchain, where the go line of the tool's module demands a newer Go than the one here. Query is
// anything that the go command takes; "" is latest. Tool returns the module version that it means. Nothing is
// compiled or run. If this Go is too old to install the tool, what the go.sum of its module
// lists is returned, with a warning.
func (r *Runner) Tool(ctx context.Context, pkg, query string, platforms []string) (module.Version, *Result, error) {
	m, result, err := r.tool(ctx, pkg, query, platforms)
	if err != nil {
		return module.Version{}, nil, fmt.Errorf("finding out what the tool %s@%s needs: %w", pkg, cmp.Or(query, "latest"), err)
	}
	return m, result, nil
}

func (r *Runner) tool(ctx context.Context, pkg, query string, platforms []string) (m module.Version, _ *Result, err error) {
	if query == "" {
		query = "latest"
	}
	if err := module.CheckImportPath(pkg); err != nil {
		return m, nil, err
	}
	if len(platforms) == 0 {
		platforms = []string{runtime.GOOS + "/" + runtime.GOARCH}
	}
	for _, p := range platforms {
		if goos, goarch, _ := strings.Cut(p, "/"); goos == "" || goarch == "" {
			return m, nil, fmt.Errorf("platform %q is not os/arch, like linux/amd64", p)
		}
	}
	v, err := r.view(ctx, pkg+"@"+query)
	if err != nil {
		return m, nil, err
	}
	defer v.end(&err)
	isParent := func(m module.Version) bool {
		return r.isPrivate(pkg) && strings.HasPrefix(pkg, m.Path+"/") && !r.isPrivate(m.Path)
	}
	v.Hide(isParent)
	dir, err := v.mkdir("tool")
	if err != nil {
		return m, nil, err
	}
	got, err := v.provider(ctx, dir, pkg, query)
	if err != nil {
		return m, nil, err
	}
	m = module.Version{Path: got.Path, Version: got.Version}
	v.needs.add(Need{Module: m, From: v.from})
	// go install looks for the package in its parents, too, at this very version. One that the tool requires it must get.
	v.HideQueries(func(parent module.Version) bool { return isParent(parent) && parent.Version == m.Version })
	if err := v.addToolchains(ctx, r.o.Source, got, platforms); err != nil {
		return m, nil, err
	}
	if got.tooOld != nil {
		v.warn("running go install; only what the go.sum of its module lists is known", got.tooOld)
		err = v.addListedIn(ctx, m, got)
	} else {
		err = v.install(ctx, dir, pkg+"@"+m.Version, platforms)
	}
	if err != nil {
		return m, nil, err
	}
	result, err := v.result(ctx)
	return m, result, err
}

func (r *Runner) isPrivate(path string) bool { return module.MatchPrefixPatterns(r.o.Private, path) }

// provider finds the module with a package: that with the longest path. As long as nobody knows whether a module with
// a longer path exists, a shorter one is not it.
func (v *view) provider(ctx context.Context, dir, pkg, query string) (downloaded, error) {
	for modPath := pkg; modPath != "."; modPath = path.Dir(modPath) {
		if module.CheckPath(modPath) != nil {
			continue
		}
		out, err := v.run(ctx, v.goCmd, dir, "list", "-m", "-json", modPath+"@"+query)
		if ctx.Err() != nil {
			return downloaded{}, context.Cause(ctx)
		}
		if err != nil {
			if refused := v.refused(module.Version{Path: modPath, Version: query}, err); refused != nil {
				return downloaded{}, refused
			}
			continue
		}
		found, err := decode[listed](out)
		if err != nil || len(found) != 1 {
			return downloaded{}, errors.Join(err, fmt.Errorf("go list -m printed %d modules instead of one", len(found)))
		}
		got, err := v.fetch(ctx, module.Version{Path: found[0].Path, Version: found[0].Version})
		if err != nil {
			return downloaded{}, err
		}
		if has, err := hasPackage(got, pkg); err != nil || has {
			return got, err
		}
	}
	// There is none. Nobody says better why than the go command.
	_, err := v.run(ctx, v.goCmd, dir, "install", "-n", pkg+"@"+query)
	if err == nil {
		err = errors.New("no module provides it")
	}
	return downloaded{}, err
}

// refused returns why the go command could not say what a query means, unless that is because nothing of that kind
// exists.
func (v *view) refused(m module.Version, err error) error {
	for _, f := range v.Failed() {
		if f.Module.Path == m.Path && !errors.Is(f.Err, fs.ErrNotExist) {
			return &sourceError{err.Error(), f.Err}
		}
	}
	for _, f := range v.Fetched() {
		if f.Module == m && f.GoMod {
			return err // it is there, and something else is wrong with it
		}
	}
	return nil
}

// hasPackage reports whether a module's zip has Go files in a package's directory.
func hasPackage(got downloaded, pkg string) (bool, error) {
	m := module.Version{Path: got.Path, Version: got.Version}
	files, err := modzip.CheckZip(m, got.Zip)
	if err != nil {
		return false, err
	}
	dir := m.String() + strings.TrimPrefix(pkg, m.Path)
	for _, name := range files.Valid {
		if path.Ext(name) == ".go" && path.Dir(name) == dir {
			return true, nil
		}
	}
	return false, nil
}

// install adds what "go install" fetches on each platform, with and without cgo. It is an error if
// that works on none. That a program cannot do without cgo is in order.
func (v *view) install(ctx context.Context, dir, pkg string, platforms []string) error {
	var failed []error
	for _, p := range platforms {
		goos, goarch, _ := strings.Cut(p, "/")
		install := func(cgo string) error {
			_, err := v.run(ctx, v.goCmd.With("GOOS="+goos, "GOARCH="+goarch, cgo), dir, "install", "-n", pkg)
			return err
		}
		switch without, with := install("CGO_ENABLED=0"), install("CGO_ENABLED=1"); {
		case without != nil && with != nil:
			failed = append(failed, without)
		case with != nil:
			v.warn("installing", with)
		}
	}
	if len(failed) == len(platforms) {
		return failed[0]
	}
	for _, err := range failed {
		v.warn("installing", err)
	}
	return nil
}

// addListedIn adds what the go.sum in a module's zip lists.
func (v *view) addListedIn(ctx context.Context, m module.Version, got downloaded) error {
	dir, err := v.mkdir("source")
	if err != nil {
		return err
	}
	if err := modzip.Unzip(dir, m, got.Zip); err != nil {
		return err
	}
	v.addListed(ctx, m, dir)
	return nil
}
