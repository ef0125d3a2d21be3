package goproxy

import "testing"

func TestAListOfPrivatePatternsMustMatchWhatItSays(t *testing.T) {
	for list, ok := range map[string]bool{
		"":                              true,
		"corp.example":                  true,
		"corp.example/*,*.corp.example": true,
		"*,corp.example/":               true,
		",corp.example,":                true, // as the go command has it
		"corp.example, b.example":       false,
		" corp.example":                 false,
		"corp.example ,b.example":       false,
		"corp.example\t":                false,
		"corp.example/**":               false,
		"corp.example/...":              false,
		"corp.example/[":                false,
		"corp":                          false,
		"https://u:p@corp.example":      false,
	} {
		if err := CheckPrivateList(list); (err == nil) != ok {
			t.Errorf("%q: %v", list, err)
		}
	}
}
