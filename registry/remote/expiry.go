package remote

import (
	"encoding/base64"
	"encoding/json"
	"strings"
	"time"
)

// tokenMargin is how long before its end a token is not used any more: a request may take a moment to arrive, and one with a
// body cannot always be sent again.
const tokenMargin = 10 * time.Second

// expiry returns when a token ends, if it says so: those of distribution's token service and of Harbor are JSON Web Tokens
// (RFC 7519). What it says is not checked, for the registry does that; another one lasts until the registry refuses it.
func expiry(token string) (end time.Time, ok bool) {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return time.Time{}, false
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	var claims struct {
		Expires float64 `json:"exp"` // seconds since 1970
	}
	if err != nil || json.Unmarshal(payload, &claims) != nil || claims.Expires <= 0 {
		return time.Time{}, false
	}
	return time.Unix(int64(claims.Expires), 0), true
}
