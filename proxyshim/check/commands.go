package check

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/modferry/modferry/registry/gocmd"
	"github.com/modferry/modferry/registry/project"
	"github.com/modferry/modferry/registry/safetext"
)

// runner runs the commands.
type runner struct {
	o       Options
	scratch *project.Project // the copy
	goCmd   *gocmd.Cmd       // set up for the copy's root
	files   modFiles         // of the copy, as the project has them
	words   *strings.Replacer

	results []Result
	failed  bool // one of them
}

func newRunner(o Options, scratch *project.Project, goCmd *gocmd.Cmd) (*runner, error) {
	kept, err := keep(scratch)
	if err != nil {
		return nil, err
	}
	// What was built in another copy need not be built again. No git is run, where the copy is within a work tree.
	goCmd = goCmd.With("GOFLAGS=-trimpath -buildvcs=false")
	if scratch.Work != nil {
		goCmd = goCmd.With("GOWORK=" + filepath.Join(scratch.Root, "go.work"))
	}
	return &runner{o: o, scratch: scratch, goCmd: goCmd, files: kept, words: originals(o.Project, scratch)}, nil
}

// invoke runs a go command on what the project has, not on what another command has made of it: "go mod download" adds
// to an incomplete go.sum what keeps everything after it from building where it did not run.
func (r *runner) invoke(ctx context.Context, goCmd *gocmd.Cmd, dir string, args ...string) ([]byte, error) {
	if err := r.files.restore(); err != nil {
		return nil, err
	}
	return goCmd.Run(ctx, dir, args...)
}

// originals puts the project's own directories in the place of the copy's: nobody finds those afterwards.
func originals(p, scratch *project.Project) *strings.Replacer {
	pairs := []string{scratch.Root, p.Root}
	for _, m := range scratch.Modules { // a copy keeps everything in the same places relative to one another
		pairs = append(pairs, m.Dir, filepath.Join(p.Root, filepath.FromSlash(relative(scratch.Root, m.Dir))))
	}
	return strings.NewReplacer(pairs...)
}

// runAll runs every command, whatever became of those before. It fails when one could not be run.
func (r *runner) runAll(ctx context.Context) error {
	if err := r.run(ctx, r.goCmd, Result{}, "mod", "download"); err != nil {
		return err
	}
	platforms := r.o.Platforms
	if len(platforms) == 0 {
		platforms = []string{here()}
	}
	for i, p := range platforms {
		if slices.Contains(platforms[:i], p) {
			continue
		}
		if err := r.runBuilds(ctx, p); err != nil {
			return err
		}
	}
	if err := r.run(ctx, r.goCmd, Result{}, "mod", "verify"); err != nil {
		return err
	}
	for _, m := range r.scratch.Modules {
		if err := r.runTidy(ctx, m); err != nil {
			return err
		}
	}
	if err := r.run(ctx, r.goCmd, Result{}, "list", "-m", "all"); err != nil || !r.o.DownloadAll {
		return err
	}
	return r.run(ctx, r.goCmd, Result{}, "mod", "download", "all")
}

// run runs a command at the root of the copy, which result calls Command if it has one.
func (r *runner) run(ctx context.Context, goCmd *gocmd.Cmd, result Result, args ...string) error {
	result.Command = cmp.Or(result.Command, "go "+strings.Join(args, " "))
	start := time.Now()
	_, err := r.invoke(ctx, goCmd, r.scratch.Root, args...)
	return r.finish(ctx, result, start, err)
}

// runBuilds builds and vets all packages for a platform.
func (r *runner) runBuilds(ctx context.Context, platform string) error {
	goos, goarch, _ := strings.Cut(platform, "/")
	goCmd := r.goCmd.With("GOOS="+goos, "GOARCH="+goarch)
	result := Result{Platform: platform}
	if _, set := os.LookupEnv("CGO_ENABLED"); !set && platform != here() {
		goCmd = goCmd.With("CGO_ENABLED=0") // there is no C compiler for it, as far as anybody said
		result.Output = "with CGO_ENABLED=0, unless the environment says otherwise:\n"
	}
	packages := r.scratch.Patterns()
	if r.o.Tags != "" {
		packages = append([]string{"-tags=" + r.o.Tags}, packages...)
	}
	// Nothing to build is a success for build and a failure for vet, and proves nothing.
	listed, err := r.invoke(ctx, goCmd, r.scratch.Root, append([]string{"list"}, packages...)...)
	none := err == nil && len(bytes.TrimSpace(listed)) == 0
	// Not shown is the option that changes nothing of what is fetched: a binary may have the name of a directory.
	for _, command := range [][]string{{"build", "-o", os.DevNull}, {"vet"}} {
		result.Command = "go " + command[0] + " " + strings.Join(packages, " ")
		if none {
			r.report(Result{Command: result.Command, Platform: platform, Skipped: "the project has no package for it"})
			continue
		}
		if err := r.run(ctx, goCmd, result, append(command, packages...)...); err != nil {
			return err
		}
	}
	return nil
}

// runTidy finds out whether a main module is tidy, and whether that can be found out. It compares what "go mod tidy" makes
// of the module, for that takes a go.sum in another order or with other ends of lines for tidy, and -diff does not.
func (r *runner) runTidy(ctx context.Context, m project.Module) error {
	result := Result{Command: "go mod tidy", Dir: relative(r.scratch.Root, m.Dir)}
	start := time.Now()
	if err := errors.Join(r.files.restore(), m.StandAlone()); err != nil {
		return err
	}
	before := m.Lines()
	_, err := r.goCmd.With("GOWORK=off").Run(ctx, m.Dir, "mod", "tidy")
	after := m.Lines()
	goMod, goSum := before.Changes(after)
	switch {
	case err != nil || len(goMod)+len(goSum) == 0:
		return r.finish(ctx, result, start, err)
	case before.RequireAny(m.Alone) || after.RequireAny(m.Alone):
		// The difference may be what those need, which the project could not do away with.
		result.Skipped = "the copy has modules of the workspace in the place of versions that were not published, so what is untidy cannot be told"
	default:
		result.Untidy, result.Elapsed = true, time.Since(start)
		result.Output = excerpt(changed("go.mod", goMod) + changed("go.sum", goSum))
	}
	r.report(result)
	return context.Cause(ctx)
}

func relative(root, dir string) string {
	rel, err := filepath.Rel(root, dir)
	if err != nil || rel == "." {
		return ""
	}
	return filepath.ToSlash(rel)
}

// finish completes the result of a command that ended with err, of which Output is what
// introduces what a failing command wrote. It fails when it was not the command that failed.
func (r *runner) finish(ctx context.Context, result Result, start time.Time, err error) error {
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	var failure *gocmd.Error
	if err != nil && (!errors.As(err, &failure) || !failure.Exited()) {
		return err
	}
	result.Elapsed = time.Since(start)
	result.OK = err == nil
	if failure == nil {
		result.Output = ""
	} else {
		result.Output += r.words.Replace(excerpt(failure.Stderr))
	}
	r.report(result)
	return nil
}

func (r *runner) report(result Result) {
	result.Command, result.Dir = safetext.Lines([]byte(result.Command)), safetext.Lines([]byte(result.Dir)) // the project named the directories
	r.results = append(r.results, result)
	r.failed = r.failed || result.Failed()
	if r.o.Report != nil {
		r.o.Report(result)
	}
}
