package upstream

import (
	"net/url"
	"os"
	"path/filepath"
	"strings"
)

// netrcFor returns the credentials a netrc file has for a host, or nil. A file
// that cannot be read has none, as for the go command.
func netrcFor(file, host string) *url.Userinfo {
	if file == "" {
		file = os.Getenv("NETRC")
	}
	if file == "" {
		home, err := os.UserHomeDir()
		if err != nil {
			return nil
		}
		file = filepath.Join(home, ".netrc")
	}
	data, err := os.ReadFile(file)
	if err != nil {
		return nil
	}
	return parseNetrc(string(data), host)
}

// parseNetrc looks a host up in the content of a netrc file.
//
//	file    = { machine | default | macro }
//	machine = "machine" name { "login" name | "password" word | "account" word }
//	default = "default" …                  the go command does not use it, nor does this
//	macro   = "macdef" name … empty line
//
// The first machine entry with the host's name that has both login and password wins.
func parseNetrc(data, host string) *url.Userinfo {
	var machine, login, password string
	macro := false
	for line := range strings.Lines(data) {
		f := strings.Fields(line)
		if macro {
			macro = len(f) > 0
			continue
		}
		for len(f) > 0 && !macro {
			switch f[0] {
			case "default":
				return nil // it must be the last entry
			case "macdef":
				macro = true
				continue
			}
			if len(f) < 2 {
				break
			}
			switch f[0] {
			case "machine":
				machine, login, password = f[1], "", ""
			case "login":
				login = f[1]
			case "password":
				password = f[1]
			}
			if machine == host && login != "" && password != "" {
				return url.UserPassword(login, password)
			}
			f = f[2:]
		}
	}
	return nil
}
