// Package webpage gives the pages of a shim what they need to know of stores and of the command line.
package webpage

import (
	"context"
	"errors"
	"log/slog"
	"net/url"
	"strings"

	"github.com/modferry/modferry/cmd/modferry/internal/audit"
	"github.com/modferry/modferry/cmd/modferry/internal/shell"
	"github.com/modferry/modferry/proxyshim"
	"github.com/modferry/modferry/proxyshim/access"
	"github.com/modferry/modferry/proxyshim/page"
	"github.com/modferry/modferry/registry"
)

// Options describe a shim. Private and Password may be zero.
type Options struct {
	Shim     *proxyshim.Handler
	Stores   *registry.Router
	Private  string // patterns of modules that the checksum database does not have; a client hears of what it may read
	Password bool   // clients have to show a credential
	Settings func(shim, private string) []shell.Setting
	Log      *slog.Logger
}

// New returns a shim with its pages.
func New(o Options) (*page.Handler, error) {
	return page.New(page.Options{
		Shim: o.Shim, Log: o.Log,
		Names:  o.names,
		Setup:  o.setup,
		Mirror: o.mirror,
	})
}

// names lists the modules of all stores. A store that does not tell is noted, as long as another one does.
func (o *Options) names(ctx context.Context) (found page.Names, err error) {
	l := &audit.Lister{
		Stores: o.Stores, Verifier: o.Shim.Policy(),
		Warn: func(err error) { o.Log.Warn("listing modules for the page", "error", err) },
		CatalogOnly: func(s *registry.Store) {
			found.Notes = append(found.Notes, s.String()+" has no index of its modules, and its catalog need not have all of them.")
		},
	}
	paths, broken, err := l.Paths(ctx)
	for _, err := range broken {
		o.Log.Warn("listing modules for the page", "error", err)
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
func (o *Options) mirror(miss proxyshim.Miss, who *access.Client) string {
	what := miss.Module.String()
	if miss.Module.Version == "" {
		what += "@" + miss.Query
	}
	words := []string{"modferry", "mirror", "--key", "cosign.key"}
	if o.Shim.IsPrivate(miss.Module.Path) {
		words = append(words, "--private", shell.Quote(who.Patterns(o.Private)))
	}
	return strings.Join(append(words, shell.Quote(what)), " ")
}

// setup is how to have the go command use the shim at an address.
func (o *Options) setup(shim string, who *access.Client) []page.Snippet {
	list := snippets(o.Settings(shim, who.Patterns(o.Private)))
	if u, err := url.Parse(shim); err == nil && o.Password {
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
