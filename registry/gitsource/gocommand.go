package gitsource

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/mod/modfile"
	"golang.org/x/mod/module"

	"github.com/modferry/modferry/artifact"
	"github.com/modferry/modferry/registry/safetext"
)

// info is a .info file, with the fields in the order in which the go command has them.
type info struct {
	Version string
	Time    time.Time `json:",omitzero"`
	Origin  *origin   `json:",omitempty"`
}

// origin says where a version comes from. Its reference is that of the version's tag.
type origin struct {
	VCS    string
	URL    string `json:",omitempty"`
	Subdir string `json:",omitempty"` // what tags are prefixed with
	Hash   string `json:",omitempty"`
	Ref    string `json:",omitempty"`
}

// packCommit has the go command make a version of a commit, as it does with GOPROXY=direct. That knows nothing but
// module paths, so it is told where the module's repository is when it asks the server of the path, and git finds a copy in
// the place of that repository. The copy has objects and tags, and none of the configuration and attributes
// of the repository on disk, which are not what others have. The user's own matter, as always to the go command.
func (p *Package) packCommit(ctx context.Context, r *repo, s *selection) error {
	scratch := filepath.Join(p.dir, "go")
	d, err := r.download(ctx, scratch, s)
	if err != nil {
		return r.explain(err)
	}
	m := module.Version{Path: s.path, Version: d.Version}
	p.Files = artifact.Files{Module: m, ZipFile: filepath.Join(p.dir, "module.zip")}
	data, errInfo := os.ReadFile(d.Info)
	p.Files.GoMod, err = os.ReadFile(d.GoMod)
	var i info
	switch lack, err := r.incomplete(), errors.Join(err, errInfo, json.Unmarshal(data, &i), os.Rename(d.Zip, p.Files.ZipFile)); {
	case err != nil:
		return fmt.Errorf("reading what the go command made of %s: %w", m, err)
	case i.Origin == nil || i.Origin.Hash != s.hash || s.goMod != nil && string(s.goMod) != string(p.Files.GoMod):
		return fmt.Errorf("%w: it takes something else than %s of commit %s for %s", ErrRefused, s.file(), s.short(), m)
	case lack != nil && module.IsPseudoVersion(m.Version) && s.query != m.Version:
		return fmt.Errorf("which version comes before commit %s is not known: %w", s.short(), lack)
	}
	i.Origin.URL, i.Origin.Ref = r.address(), ""
	switch tag := s.tag(m.Version); {
	case module.IsPseudoVersion(m.Version):
		p.note("%s stands for commit %s, which has no tag for this module", m.Version, s.short())
	case s.untagged:
		p.note("there is no tag %s: this is commit %s; with the tag, others could check that", tag, s.short())
	default:
		i.Origin.Ref = tagRefs + tag
	}
	p.noteGoMod(s.location)
	p.Files.Info, err = json.Marshal(i)
	return errors.Join(err, os.RemoveAll(scratch))
}

// A download is what "go mod download -json" prints.
type download struct {
	Version, Error   string
	Info, GoMod, Zip string // names of files
}

// download runs the go command, with all that it keeps in scratch.
func (r *repo) download(ctx context.Context, scratch string, s *selection) (*download, error) {
	remote := filepath.Join(scratch, "remote")
	if err := r.copyTo(remote, s); err != nil {
		return nil, err
	}
	goCmd, err := goCommand(ctx, scratch, s.goMod)
	if err != nil {
		return nil, err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	root, subdir := s.root()
	proxy := &http.Server{Handler: goImport(fmt.Sprintf("%s git https://%s %s", root, root, subdir))}
	defer proxy.Close()
	go proxy.Serve(listener)
	proxyURL := "http://" + listener.Addr().String()
	insteadOf := "url.file://" + path.Join("/", filepath.ToSlash(remote)) + ".insteadOf"
	goCmd.env = append(append(gitEnv([][2]string{
		{insteadOf, "https://" + root},
		{insteadOf, "https://" + strings.TrimSuffix(root, ".git")}, // if it ends so, the go command knows the address and does not ask
		{"lfs.storage", filepath.Join(r.common, "lfs")},            // Git LFS, if the user has that, finds the files of the repository
		{"maintenance.auto", "false"},                              // of what is removed in a moment
	}...), goCmd.env...), "HTTP_PROXY="+proxyURL, "HTTPS_PROXY="+proxyURL, "NO_PROXY=", "no_proxy=", "GOINSECURE="+root,
		"GIT_ALLOW_PROTOCOL=file", "GIT_ALTERNATE_OBJECT_DIRECTORIES="+r.objects) // so nothing need be copied
	out, err := goCmd.output(ctx, "mod", "download", "-json", s.path+"@"+s.query)
	var d download
	if e := json.Unmarshal(out, &d); e == nil && d.Error != "" {
		err = fmt.Errorf("%w: %s", ErrRefused, safetext.Lines([]byte(d.Error)))
	}
	return &d, err
}

// copyTo makes a bare repository with the objects and tags of r, a branch with the commit, and the version's tag.
func (r *repo) copyTo(dir string, s *selection) error {
	refs := fmt.Appendf(nil, "%s %spublished\n", s.hash, branchRefs)
	for ref, hash := range r.refs {
		if strings.HasPrefix(ref, tagRefs) {
			refs = fmt.Appendf(refs, "%s %s\n", hash, ref)
		}
	}
	if s.untagged {
		refs = fmt.Appendf(refs, "%s %s%s\n", s.hash, tagRefs, s.tag(s.query))
	}
	format := map[int]string{40: "sha1", 64: "sha256"}[len(s.hash)]
	files := map[string][]byte{
		"HEAD":                    []byte("ref: " + branchRefs + "published\n"),
		"config":                  []byte("[core]\nrepositoryFormatVersion = 1\nbare = true\n[extensions]\nobjectFormat = " + format + "\n"),
		"objects/info/alternates": []byte(r.objects + "\n"),
		"packed-refs":             refs,
	}
	err := errors.Join(os.MkdirAll(filepath.Join(dir, "objects", "info"), 0o700), os.Mkdir(filepath.Join(dir, "refs"), 0o700))
	if r.shallow && err == nil {
		files["shallow"], err = os.ReadFile(filepath.Join(r.common, "shallow"))
	}
	for name, data := range files {
		err = errors.Join(err, os.WriteFile(filepath.Join(dir, name), data, 0o600))
	}
	return err
}

// goCommand is the go command, in an environment where it finds nothing and keeps nothing outside of scratch. It makes no zip of
// a module that needs a newer Go than it is, but the user's settings may lead to one that does, as in the module's directory.
func goCommand(ctx context.Context, scratch string, goMod []byte) (*command, error) {
	found, err := exec.LookPath("go")
	if err != nil {
		return nil, fmt.Errorf("making a module version of a commit takes the go command: %w", err)
	}
	goVersion := "1.21"
	if f, err := modfile.ParseLax("go.mod", goMod, nil); err == nil && f.Go != nil {
		goVersion = f.Go.Version
	}
	fence := fmt.Appendf(nil, "module scratch.invalid/scratch\n\ngo %s\n", goVersion) // or it would go by a go.mod file above
	if err := os.WriteFile(filepath.Join(scratch, "go.mod"), fence, 0o600); err != nil {
		return nil, err
	}
	user := &command{path: found, dir: scratch, env: append(os.Environ(), "PWD="+scratch, "GOWORK=off")}
	goroot, err := user.line(ctx, "env", "GOROOT")
	return &command{
		path: filepath.Join(goroot, "bin", "go"), dir: scratch,
		env: []string{
			"PWD=" + scratch, "GOENV=off", "GOWORK=off", "GO111MODULE=on", "GOFLAGS=-modcacherw", "GOTOOLCHAIN=local",
			"GOPROXY=direct", "GONOPROXY=", "GOPRIVATE=", "GOSUMDB=off", "GOVCS=*:git", "GOAUTH=off",
			"GOPATH=" + filepath.Join(scratch, "gopath"), "GOMODCACHE=" + filepath.Join(scratch, "mod"),
		},
	}, err
}

// goImport is a proxy that answers every request with a go-import meta tag, and leads to no other server.
func goImport(content string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if req.Method == http.MethodConnect {
			http.Error(w, "there is no TLS here", http.StatusForbidden)
			return
		}
		fmt.Fprintf(w, `<meta name="go-import" content="%s">`, content)
	})
}
