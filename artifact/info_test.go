package artifact

import "testing"

func TestInfoFilesDifferInWhatMatters(t *testing.T) {
	const info = `{"Version":"v1.0.0","Time":"2024-05-01T10:00:07Z","Origin":{"VCS":"git","URL":"https://a.example/x","Hash":"0123","Ref":"refs/tags/v1.0.0"}}`
	for other, want := range map[string]string{
		info: "",
		`{"Time":"2024-05-01T10:00:07Z","Version":"v1.0.0","Origin":{"Hash":"0123"}}`:                                                         "",
		`{"Version":"v1.0.0","Time":"2024-05-01T12:00:07+02:00","Origin":{"VCS":"git","URL":"ssh://b.example/x","Subdir":"x","Hash":"0123"}}`: "",
		`{"Version":"v1.0.0","Time":"2024-05-01T10:00:08Z","Origin":{"Hash":"0123"}}`:                                                         "Time",
		`{"Version":"v1.0.0","Time":"2024-05-01T10:00:07Z","Origin":{"Hash":"0124"}}`:                                                         "Origin.Hash",
		`{"Version":"v1.0.0","Time":"2024-05-01T10:00:07Z"}`:                                                                                  "Origin.Hash",
		`{"Version":"v1.0.0","Time":"2024-05-01T10:00:07Z","Origin":{"Hash":"0123"},"origin":{"hash":"0124"}}`:                                "Origin.Hash",
		`{"Version":"v1.0.0","Time":"2024-05-01T10:00:07Z","Origin":{"Hash":"0123"},"More":1}`:                                                "More",
		`{"Version":"v1.0.1","Time":"2024-05-01T10:00:07Z","Origin":{"Hash":"0123"}}`:                                                         "Version",
		`{"Version":"v1.0.0","Origin":{"Hash":"0123"}}`:                                                                                       "Time",
		`{"Version":`: "form",
	} {
		if got := InfoDifference([]byte(info), []byte(other)); got != want {
			t.Errorf("%s: got %q; want %q", other, got, want)
		}
		if got := InfoDifference([]byte(other), []byte(info)); got != want {
			t.Errorf("%s, the other way round: got %q; want %q", other, got, want)
		}
	}
}

func TestOriginHash(t *testing.T) {
	for info, want := range map[string]string{
		`{"Version":"v1.0.0","Origin":{"VCS":"git","Hash":"0123"}}`: "0123",
		`{"Version":"v1.0.0","Origin":{"VCS":"git"}}`:               "",
		`{"Version":"v1.0.0"}`:                                      "",
		`{"Origin":{"Hash":1}}`:                                     "",
		`no JSON`:                                                   "",
	} {
		if got := OriginHash([]byte(info)); got != want {
			t.Errorf("%s: got %q; want %q", info, got, want)
		}
	}
}
