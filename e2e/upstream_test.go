package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"golang.org/x/mod/module"
	"golang.org/x/mod/semver"
	modzip "golang.org/x/mod/zip"
)

// upstream SRC DST turns the directories SRC/<module path>@<version> into a GOPROXY tree in DST and sets
// $UPSTREAM to its file:// address. Both are given as the go command escapes them (!upper case).
func cmdUpstream(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 2 || neg {
		ts.Fatalf("usage: upstream SRC DST")
	}
	src, dst := ts.MkAbs(args[0]), ts.MkAbs(args[1])
	ts.Check(filepath.WalkDir(src, func(path string, d os.DirEntry, err error) error {
		if err != nil || !d.IsDir() || !strings.Contains(d.Name(), "@") {
			return err
		}
		rel, err := filepath.Rel(src, path)
		if err != nil {
			return err
		}
		if err := addVersion(dst, filepath.ToSlash(rel), path); err != nil {
			return fmt.Errorf("%s: %w", rel, err)
		}
		return filepath.SkipDir
	}))
	ts.Setenv("UPSTREAM", "file://"+filepath.ToSlash(dst))
}

// addVersion writes the .info, .mod and .zip of one escaped path@version, and its line of @v/list.
func addVersion(dst, escaped, dir string) error {
	escPath, escVersion, _ := strings.Cut(escaped, "@")
	path, err := module.UnescapePath(escPath)
	if err != nil {
		return err
	}
	version, err := module.UnescapeVersion(escVersion)
	if err != nil {
		return err
	}
	at := filepath.Join(dst, filepath.FromSlash(escPath), "@v")
	if err := os.MkdirAll(at, 0o755); err != nil {
		return err
	}
	mod, err := os.ReadFile(filepath.Join(dir, "go.mod"))
	if os.IsNotExist(err) {
		mod = []byte("module " + path + "\n")
	} else if err != nil {
		return err
	}
	info, err := json.Marshal(map[string]any{"Version": version, "Time": time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)})
	if err != nil {
		return err
	}
	zip, err := os.Create(filepath.Join(at, escVersion+".zip"))
	if err != nil {
		return err
	}
	defer zip.Close()
	if err := modzip.CreateFromDir(zip, module.Version{Path: path, Version: version}, dir); err != nil {
		return err
	}
	if err := writeFile(filepath.Join(at, escVersion+".mod"), string(mod)); err != nil {
		return err
	}
	if err := writeFile(filepath.Join(at, escVersion+".info"), string(info)); err != nil {
		return err
	}
	if module.IsPseudoVersion(version) || !semver.IsValid(version) {
		return zip.Close()
	}
	list, err := os.OpenFile(filepath.Join(at, "list"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer list.Close()
	_, err = fmt.Fprintln(list, version)
	return err
}

func writeFile(name, content string) error { return os.WriteFile(name, []byte(content), 0o644) }
