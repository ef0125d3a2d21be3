package main

import (
	"errors"

	"github.com/modferry/modferry/artifact/sign"
	"github.com/modferry/modferry/registry"
)

// hint is the advice that goes with an error, or empty when there is none to give.
func hint(err error) string {
	var h *hintError
	if errors.As(err, &h) {
		return h.hint
	}
	switch {
	case errors.Is(err, sign.ErrPassword):
		return "set " + passwordEnv + " to the password the key was made with"
	case errors.Is(err, registry.ErrReference):
		return "a store is host/namespace (harbor.example/golang) or oci:DIR"
	case errors.Is(err, registry.ErrBlocked):
		return "the routes of --" + flagRegistry + " say none for it, or have no store for it; one without a prefix, at the end, takes the rest"
	}
	return ""
}
