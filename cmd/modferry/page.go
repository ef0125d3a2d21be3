package main

import (
	"context"
	"errors"
	"net/url"
	"strings"

	"github.com/modferry/modferry/cmd/modferry/internal/audit"
	"github.com/modferry/modferry/cmd/modferry/internal/shell"
	"github.com/modferry/modferry/proxyshim"
	"github.com/modferry/modferry/proxyshim/access"
	"github.com/modferry/modferry/proxyshim/page"
	"github.com/modferry/modferry/registry"
)

// pages has what the pages of a shim need to know of stores and of the command line.
type pages struct {
	*shim
	password bool // clients have to show a credential
}

// handler returns the shim with its pages.
func (p pages) handler() (*page.Handler, error) {
	return page.New(page.Options{Shim: p.Handler, Log: p.log, Names: p.names, Setup: p.setup, Mirror: p.mirror})
}

// names lists the modules of all stores. A store that does not tell is noted, as long as another one does.
func (p pages) names(ctx context.Context) (found page.Names, err error) {
	l := &audit.Lister{
		Stores: p.stores, Verifier: p.Policy(),
		Warn: func(err error) { p.log.Warn("listing modules for the page", "error", err) },
		CatalogOnly: func(s *registry.Store) {
			found.Notes = append(found.Notes, s.String()+" has no index of its modules, and its catalog need not have all of them.")
		},
	}
	paths, broken, err := l.Paths(ctx)
	for _, err := range broken {
		p.log.Warn("listing modules for the page", "error", err)
	}
	if len(broken) > 0 {
		found.Notes = append(found.Notes, "There are repositories that do not tell which module they are of; the shim’s log names them.")
	}
	if errors.Is(err, registry.ErrNoLayout) { // nothing was mirrored yet
		err = nil
	}
	found.Paths = paths
	return found, err
}

// mirror returns the command line that mirrors what is missing.
func (p pages) mirror(miss proxyshim.Miss, who *access.Client) string {
	what := miss.Module.String()
	if miss.Module.Version == "" {
		what += "@" + miss.Query
	}
	words := []string{"modferry", "mirror", "--key", "cosign.key"}
	if p.IsPrivate(miss.Module.Path) {
		words = append(words, "--private", shell.Quote(who.Patterns(p.private)))
	}
	return strings.Join(append(words, shell.Quote(what)), " ")
}

// setup is how to have the go command use the shim at an address.
func (p pages) setup(shim string, who *access.Client) []page.Snippet {
	list := snippets(goSettings(shim, who.Patterns(p.private)))
	if u, err := url.Parse(shim); err == nil && p.password {
		list = append(list, page.Snippet{
			Title: "User and password, in .netrc in the home directory (Windows: _netrc)",
			Text:  "machine " + u.Host + " login NAME password PASSWORD",
		})
	}
	return list
}

// snippets make settings in the shells that people have, and for good.
func snippets(settings []shell.Setting) []page.Snippet {
	var sh, powershell []string
	env := []string{"go", "env", "-w"}
	for _, s := range settings {
		sh = append(sh, "export "+s.Name+"="+shell.Quote(s.Value))
		line, _ := s.Export("powershell")
		powershell = append(powershell, line)
		env = append(env, shell.Quote(s.String()))
	}
	return []page.Snippet{
		{Title: "sh, bash, zsh", Text: strings.Join(sh, "\n")},
		{Title: "PowerShell", Text: strings.Join(powershell, "\n")},
		{Title: "For good, for this user", Text: strings.Join(env, " ")},
	}
}
