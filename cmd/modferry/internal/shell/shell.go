// Package shell writes environment variables and words of commands the way shells read them.
package shell

import "strings"

// Setting is one environment variable.
type Setting struct{ Name, Value string }

// String returns the setting as an environment has it.
func (s Setting) String() string { return s.Name + "=" + s.Value }

// Export returns the command that makes the setting in a shell: sh (bash, zsh), fish, powershell (pwsh) or cmd. Ok is
// false for other shells.
func (s Setting) Export(shell string) (command string, ok bool) {
	switch shell {
	case "sh", "bash", "zsh":
		return "export " + s.Name + "='" + strings.ReplaceAll(s.Value, "'", `'\''`) + "'", true
	case "fish":
		return "set -gx " + s.Name + " '" + strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(s.Value) + "'", true
	case "powershell", "pwsh":
		return "$env:" + s.Name + " = '" + strings.ReplaceAll(s.Value, "'", "''") + "'", true
	case "cmd":
		return `set "` + s.String() + `"`, true
	}
	return "", false
}

// Quote quotes a word of a command where sh would take it for more than that.
func Quote(word string) string {
	if !strings.ContainsAny(word, "*?[]|&;<>()$`\\\"' \t~#!{}") {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}
