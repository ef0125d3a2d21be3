package command

import (
	"bytes"
	"context"
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
func (a *App) password(ctx context.Context, prompt string) ([]byte, error) {
	if v, ok := a.Env(passwordEnv); ok {
		return []byte(v), nil
	}
	return a.typed(ctx, prompt)
}

// NewPassword returns the password of a key that is about to be made: from the environment, else typed twice.
func (a *App) NewPassword(ctx context.Context) ([]byte, error) {
	if v, ok := a.Env(passwordEnv); ok {
		return []byte(v), nil
	}
	first, err := a.typed(ctx, "Password for the new private key: ")
	if err != nil {
		return nil, err
	}
	second, err := a.typed(ctx, "The same password again: ")
	if err != nil {
		return nil, err
	}
	if !bytes.Equal(first, second) {
		return nil, errors.New("the two passwords differ; no key was written")
	}
	return first, nil
}

// typed asks for a password on a terminal, which echoes what is typed again when it returns. If ctx ends, who was to
// type is not waited for any more.
func (a *App) typed(ctx context.Context, prompt string) ([]byte, error) {
	f, ok := a.In.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return nil, errNoTerminal
	}
	if ctx.Err() != nil { // else the terminal might be restored before it stops echoing
		return nil, context.Cause(ctx)
	}
	fd := int(f.Fd())
	before, err := term.GetState(fd)
	if err != nil {
		return nil, fmt.Errorf("asking for the password: %w", err)
	}
	fmt.Fprint(a.Err, prompt)
	defer fmt.Fprintln(a.Err)
	var text []byte
	done := make(chan error, 1)
	go func() {
		typed, err := term.ReadPassword(fd)
		text = typed
		done <- err
	}()
	select {
	case err = <-done:
	case <-ctx.Done():
		return nil, errors.Join(context.Cause(ctx), term.Restore(fd, before))
	}
	if err != nil {
		return nil, fmt.Errorf("reading the password: %w", err)
	}
	return text, nil
}
