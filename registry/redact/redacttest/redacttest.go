// Package redacttest has credentials by which tests find out whether a message shows any part of them.
package redacttest

import (
	"strings"
	"testing"
)

// canary is on both sides of every character at which a password may be cut.
const canary = "canary"

// Users returns what may stand before the @ of a URL: users with passwords, escaped or not, and tokens.
func Users() []string {
	return []string{
		"me:canary", "canary", "me:canary%40canary%2Fcanary", // as they should be
		"me:canary@canary", "canary/canary@canary",
		"me:canary/canary", "me:1234/canary", "me:@/canary:canary",
		"me:canary%canary", "me:canary%zz/canary@", "canary?canary#canary",
	}
}

// Check fails the test if a text shows a part of one of the users.
func Check(t testing.TB, text string) {
	t.Helper()
	if strings.Contains(text, canary) {
		t.Errorf("this shows a part of the credentials: %s", text)
	}
}
