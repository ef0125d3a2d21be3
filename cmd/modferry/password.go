package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"

	"golang.org/x/term"
)

// passwordEnv is where cosign looks for the password of a private key, so that one setting serves both.
const passwordEnv = "COSIGN_PASSWORD"

// password returns the password of a private key: from the environment, where an empty one counts too, else
// typed on the terminal without echo.
func (a *app) password(prompt string) ([]byte, error) {
	if v, ok := a.env(passwordEnv); ok {
		return []byte(v), nil
	}
	return a.typed(prompt)
}

// newPassword is password for a key that is about to be made: typed twice.
func (a *app) newPassword() ([]byte, error) {
	if v, ok := a.env(passwordEnv); ok {
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

func (a *app) typed(prompt string) ([]byte, error) {
	if !isTerminal(a.in) {
		return nil, withHint(errors.New("the private key needs a password and there is no terminal to ask for it"),
			"set "+passwordEnv+" (it may be empty)")
	}
	fmt.Fprint(a.err, prompt)
	p, err := term.ReadPassword(int(a.in.(*os.File).Fd()))
	fmt.Fprintln(a.err)
	if err != nil {
		return nil, fmt.Errorf("reading the password: %w", err)
	}
	return p, nil
}
