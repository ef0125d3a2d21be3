package check

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"time"

	"golang.org/x/mod/modfile"
	"golang.org/x/sync/errgroup"

	"github.com/modferry/modferry/artifact/goproxy"
	"github.com/modferry/modferry/registry/project"
)

// probeJobs is how many files are asked for at a time.
const probeJobs = 8

// probe asks the shim for every file that the go.sum files of a project list. What it answers does not matter here: it
// remembers what it does not have. The go command stops asking at the first go.mod it cannot have, and every further
// one would cost a journey to the connected side.
func probe(ctx context.Context, proxy string, p *project.Project) {
	client := &http.Client{
		Transport: &http.Transport{Proxy: nil, MaxIdleConnsPerHost: probeJobs},
		Timeout:   10 * time.Minute, // a toolchain may have to come out of the store
	}
	defer client.CloseIdleConnections()
	local := localPaths(p)
	var group errgroup.Group
	group.SetLimit(probeJobs)
	lines, _ := p.Sums() // what cannot be read of them is left to the go command to complain of
	asked := make(map[string]bool)
	for _, l := range lines {
		f := goproxy.File{Version: l.Module, Kind: goproxy.Zip}
		if l.ModOnly {
			f.Kind = goproxy.Mod
		}
		name, err := f.Name()
		if err != nil || asked[name] || local[l.Module.Path] || ctx.Err() != nil {
			continue
		}
		asked[name] = true
		group.Go(func() error {
			head(ctx, client, strings.TrimSuffix(proxy, "/")+"/"+name)
			return nil
		})
	}
	_ = group.Wait() // nothing returns an error
}

func head(ctx context.Context, client *http.Client, url string) {
	req, err := http.NewRequestWithContext(ctx, http.MethodHead, url, http.NoBody)
	if err != nil {
		return
	}
	if resp, err := client.Do(req); err == nil {
		resp.Body.Close()
	}
}

// localPaths are the paths of modules that a project takes from directories: of their versions, its go.sum may list what it
// no longer needs.
func localPaths(p *project.Project) map[string]bool {
	local := make(map[string]bool)
	var replaced []*modfile.Replace
	if p.Work != nil {
		replaced = p.Work.Replace
	}
	for _, m := range p.Modules {
		if m.File != nil {
			local[m.File.Module.Mod.Path] = true
			replaced = slices.Concat(replaced, m.File.Replace)
		}
	}
	for _, r := range replaced {
		if r.New.Version == "" {
			local[r.Old.Path] = true
		}
	}
	return local
}
