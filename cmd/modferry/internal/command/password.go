package command

import (
	"bytes"
	"errors"
	"fmt"
	"os"

	"golang.org/x/term"
)

// passwordEnv is where cosign looks for the password of a private key, so that one setting serves both. An empty one
// counts, too.
const passwordEnv = "COSIGN_PASSWORD"

// errNoTerminal: there is nobody to ask.
var errNoTerminal = errors.New("the private key needs a password and there is no terminal to ask for it")

// password returns the password of a private key: from the environment, else typed without echo.
func (a *App) password(prompt string) ([]byte, error) {
	if v, ok := a.Env(passwordEnv); ok {
		return []byte(v), nil
	}
	return a.typed(prompt)
}

// NewPassword returns the password of a key that is about to be made: from the environment, else typed twice.
func (a *App) NewPassword() ([]byte, error) {
	if v, ok := a.Env(passwordEnv); ok {
		return []byte(v), nil
	}
	first, err := a.typed("Password for the new private key: ")
	if err != nil {
		return nil, err
	}
	second, err := a.typed("The same password again: ")
	if err != nil {
		return nil, err
	}
	if !bytes.Equal(first, second) {
		return nil, errors.New("the two passwords differ; no key was written")
	}
	return first, nil
}

func (a *App) typed(prompt string) ([]byte, error) {
	f, ok := a.In.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return nil, errNoTerminal
	}
	fmt.Fprint(a.Err, prompt)
	text, err := term.ReadPassword(int(f.Fd()))
	fmt.Fprintln(a.Err)
	if err != nil {
		return nil, fmt.Errorf("reading the password: %w", err)
	}
	return text, nil
}
