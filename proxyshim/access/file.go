package access

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"

	"golang.org/x/crypto/bcrypt"
	"golang.org/x/mod/module"
)

// File is who may read what:
//
//	line     = [ "#" comment | client ]
//	client   = name ":" secret [ ":" prefixes ]
//	secret   = a bcrypt hash, as "htpasswd -B" writes it    a user with that password
//	         | "sha256-" hex                                a token with that digest, or as the password of the name
//	         | "certificate"                                whose certificate has the name as its common name
//	         | ""                                           with the name "*": who shows no credential
//	prefixes = prefix { "," prefix } | "none"               no module: who asks for metrics alone
//	prefix   = a module path prefix of whole elements       what is at it and below
//	         | "*"                                          what no prefix in the file is a longer one of
//
// Without prefixes it is "*". So a prefix that is written anywhere is closed to all whose line does not name it, and lines
// as the tool htpasswd writes them read everything else. A name may have several lines with different secrets.
type File struct {
	passwords    map[string][]*password
	tokens       map[[sha256.Size]byte]*Client
	certificates map[string]*Client
	anonymous    *Client
}

type password struct {
	hash   []byte
	client *Client
}

// Words of the grammar.
const (
	certificate = "certificate"
	tokenPrefix = "sha256-"
	everything  = "*"
	nothing     = "none"
)

// maxCost bounds what a password costs to check: each step doubles it, and 14 take about a second.
const maxCost = 14

// Parse parses an access file. Errors name the line, and never a secret.
func Parse(name string, data []byte) (*File, error) {
	f := &File{
		passwords: make(map[string][]*password), tokens: make(map[[sha256.Size]byte]*Client), certificates: make(map[string]*Client),
	}
	shared := &rules{prefixes: make(map[string]bool)}
	n, clients := 0, 0
	for line := range strings.Lines(string(data)) {
		n++
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		if err := f.add(line, shared); err != nil {
			return nil, fmt.Errorf("%s:%d: %w", name, n, err)
		}
		clients++
	}
	if clients == 0 {
		return nil, fmt.Errorf("%s: nobody is in it", name)
	}
	return f, nil
}

func (f *File) add(line string, shared *rules) error {
	fields := strings.Split(line, ":")
	if len(fields) < 2 || len(fields) > 3 || fields[0] == "" {
		return errors.New("not name:secret or name:secret:prefixes")
	}
	name, secret, rights := fields[0], fields[1], everything
	if len(fields) == 3 {
		rights = fields[2]
	}
	prefixes, err := parsePrefixes(rights)
	if err != nil {
		return err
	}
	c := &Client{Name: name, prefixes: prefixes, rules: shared}
	for _, p := range prefixes {
		shared.prefixes[strings.ToLower(p)] = true
	}
	return f.addSecret(c, secret)
}

// addSecret adds the client that shows a secret.
func (f *File) addSecret(c *Client, secret string) error {
	digest, isToken := strings.CutPrefix(secret, tokenPrefix)
	switch {
	case (c.Name == everything) != (secret == ""):
		return errors.New(`the name "*" has no secret, and every other name one`)
	case secret == "" && f.anonymous != nil:
		return errors.New(`there are two lines for "*"`)
	case secret == "":
		f.anonymous = &Client{prefixes: c.prefixes, rules: c.rules}
	case isToken:
		sum, err := hex.DecodeString(digest)
		if err != nil || len(sum) != sha256.Size {
			return fmt.Errorf("after %s there are 64 hexadecimal digits, the sha256 of a token", tokenPrefix)
		}
		if f.tokens[[sha256.Size]byte(sum)] != nil {
			return errors.New("two lines have the same token")
		}
		f.tokens[[sha256.Size]byte(sum)] = c
	case secret == certificate:
		if f.certificates[c.Name] != nil {
			return fmt.Errorf("there are two lines for the certificate of %s", c.Name)
		}
		f.certificates[c.Name] = c
	default:
		cost, err := bcrypt.Cost([]byte(secret))
		if err != nil {
			return errors.New("the secret is no bcrypt hash: htpasswd makes one with -B, and modferry takes no other kind")
		}
		if cost > maxCost {
			return fmt.Errorf("a bcrypt cost of %d is too much for a server: %d is the most", cost, maxCost)
		}
		f.passwords[c.Name] = append(f.passwords[c.Name], &password{[]byte(secret), c})
	}
	return nil
}

// parsePrefixes parses what a client may read. The prefix of everything is "".
func parsePrefixes(s string) (prefixes []string, err error) {
	if strings.TrimSpace(s) == nothing {
		return nil, nil
	}
	for p := range strings.SplitSeq(s, ",") {
		p = strings.TrimSpace(p)
		switch {
		case p == everything:
			p = ""
		case strings.Contains(p, "*"):
			return nil, fmt.Errorf("%q: a prefix is written in whole elements and without patterns, as corp.example/team", p)
		default:
			if err := module.CheckImportPath(p); err != nil {
				return nil, fmt.Errorf("%q is no prefix of module paths: %w", p, err)
			}
		}
		prefixes = append(prefixes, p)
	}
	return prefixes, nil
}
