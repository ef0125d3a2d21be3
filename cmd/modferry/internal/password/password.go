// Package password gets the passwords of private keys: from the environment, else from a terminal.
package password

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/term"
)

// Env is where cosign looks for the password of a private key, so that one setting serves both. An empty one counts, too.
const Env = "COSIGN_PASSWORD"

// ErrNoTerminal: there is nobody to ask.
var ErrNoTerminal = errors.New("the private key needs a password and there is no terminal to ask for it")

// Prompt is where to get passwords.
type Prompt struct {
	In     io.Reader
	Out    io.Writer
	Getenv func(name string) (value string, ok bool)
}

// Get returns the password of a private key: from the environment, else typed without echo.
func (p Prompt) Get(prompt string) ([]byte, error) {
	if v, ok := p.Getenv(Env); ok {
		return []byte(v), nil
	}
	return p.typed(prompt)
}

// New is Get for a key that is about to be made: typed twice.
func (p Prompt) New() ([]byte, error) {
	if v, ok := p.Getenv(Env); ok {
		return []byte(v), nil
	}
	first, err := p.typed("Password for the new private key: ")
	if err != nil {
		return nil, err
	}
	second, err := p.typed("The same password again: ")
	if err != nil {
		return nil, err
	}
	if !bytes.Equal(first, second) {
		return nil, errors.New("the two passwords differ; no key was written")
	}
	return first, nil
}

func (p Prompt) typed(prompt string) ([]byte, error) {
	f, ok := p.In.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return nil, ErrNoTerminal
	}
	fmt.Fprint(p.Out, prompt)
	text, err := term.ReadPassword(int(f.Fd()))
	fmt.Fprintln(p.Out)
	if err != nil {
		return nil, fmt.Errorf("reading the password: %w", err)
	}
	return text, nil
}
