package sign

import "slices"

// signers has by the ID of a key who made signatures that are by it: of a public key that is the key itself, but several
// certificates can have one identity, and several identities can cover one certificate.
type signers map[string][]string

func (s signers) add(by maker) {
	for _, id := range by.ids {
		if !slices.Contains(s[id], by.signer) {
			s[id] = append(s[id], by.signer)
		}
	}
}

// different returns for how many of some keys, at most, there is a signer each that stands for no other one of them: the
// size of a maximum matching.
func (s signers) different(ids []string) (n int) {
	stands := make(map[string]string) // for which key, by signer
	for _, id := range ids {
		if s.assign(id, stands, make(map[string]bool)) {
			n++
		}
	}
	return n
}

// assign gives a key a signer, of whom another key may take one of its others. It leaves those alone that were asked.
func (s signers) assign(id string, stands map[string]string, asked map[string]bool) bool {
	for _, signer := range s[id] {
		if asked[signer] {
			continue
		}
		asked[signer] = true
		if other, taken := stands[signer]; !taken || s.assign(other, stands, asked) {
			stands[signer] = id
			return true
		}
	}
	return false
}
