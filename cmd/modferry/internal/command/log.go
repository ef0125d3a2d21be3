package command

import (
	"io"
	"log/slog"

	"github.com/modferry/modferry/registry/redact"
)

// Warnings is a log of what nobody should overlook, for commands whose own output is for people.
func Warnings(w io.Writer) *slog.Logger {
	return slog.New(slog.NewTextHandler(w, &slog.HandlerOptions{Level: slog.LevelWarn, ReplaceAttr: HideCredentials}))
}

// HideCredentials is for the messages and the attributes of a log.
func HideCredentials(_ []string, a slog.Attr) slog.Attr {
	switch v := a.Value.Any().(type) {
	case string:
		a.Value = slog.StringValue(redact.Text(v))
	case error:
		a.Value = slog.StringValue(redact.Text(v.Error()))
	}
	return a
}
