package sign

import "testing"

func TestDifferentSignersForDifferentKeys(t *testing.T) {
	type made = map[string][]string // signers, by key
	for name, tt := range map[string]struct {
		made made
		want int
	}{
		"nobody":                                        {made{}, 0},
		"a key each":                                    {made{"a": {"1"}, "b": {"2"}}, 2},
		"one signer for two identities":                 {made{"a": {"1"}, "b": {"1"}}, 1},
		"two signers for one identity":                  {made{"a": {"1", "2"}}, 1},
		"two signers for two identities":                {made{"a": {"1", "2"}, "b": {"1"}}, 2},
		"two for one identity, one for two":             {made{"a": {"1", "2"}, "b": {"3"}, "c": {"3"}}, 2},
		"a chain, in which each has to leave its place": {made{"a": {"1", "2"}, "b": {"1", "3"}, "c": {"1"}}, 3},
	} {
		t.Run(name, func(t *testing.T) {
			s := make(signers)
			for id, list := range tt.made {
				for _, signer := range list {
					s.add(maker{signer: signer, ids: []string{id}})
				}
			}
			if got := s.different([]string{"a", "b", "c"}); got != tt.want {
				t.Errorf("got %d, want %d", got, tt.want)
			}
		})
	}
}
