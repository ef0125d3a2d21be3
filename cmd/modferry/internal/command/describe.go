package command

import "strings"

// Describe joins a command's description and its examples, both indented the way the help shows them.
func Describe(text, examples string) string {
	return indent(text) + "\n\nEXAMPLES:\n" + indent(examples)
}

func indent(text string) string {
	lines := strings.Split(strings.Trim(text, "\n"), "\n")
	for i, l := range lines {
		if l != "" {
			lines[i] = "   " + l
		}
	}
	return strings.Join(lines, "\n")
}
