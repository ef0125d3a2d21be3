package inventory

import "github.com/opencontainers/go-digest"

// Digest returns the digest of the inventory's text, by which a bundle names its base; "" of the nil Inventory.
func (inv *Inventory) Digest() digest.Digest {
	if inv == nil {
		return ""
	}
	return inv.sum
}

// Repositories returns how many repositories are in the inventory.
func (inv *Inventory) Repositories() int { return inv.totals.repositories }

// Tags returns how many tags are in the inventory, without those of signatures.
func (inv *Inventory) Tags() int { return inv.totals.tags }

// Has reports whether a tag named the manifest with a digest.
func (inv *Inventory) Has(repo, tag string, manifest digest.Digest) bool {
	t, ok := inv.tag(repo, tag)
	return ok && t.manifest == begin(manifest, shortDigest)
}

// HasSignatures reports whether what a tag named was signed, with just the signatures of the manifest with that
// digest.
func (inv *Inventory) HasSignatures(repo, tag string, signatures digest.Digest) bool {
	t, ok := inv.tag(repo, tag)
	return ok && t.signatures == begin(signatures, shortSignatures)
}

// HasReferrers reports whether what a tag named had just the list of referrers with that digest; "" is none.
func (inv *Inventory) HasReferrers(repo, tag string, referrers digest.Digest) bool {
	t, ok := inv.tag(repo, tag)
	return ok && t.referrers == begin(referrers, shortSignatures)
}

// HasBlob reports whether a repository held a blob of a checksum database's snapshot. Blobs of versions are not
// listed: who has a version has its blobs.
func (inv *Inventory) HasBlob(repo string, blob digest.Digest) bool {
	return inv != nil && inv.repos[repo].blobs[begin(blob, shortDigest)]
}

func (inv *Inventory) tag(repo, name string) (shortTag, bool) {
	if inv == nil {
		return shortTag{}, false
	}
	t, ok := inv.repos[repo].tags[name]
	return t, ok
}
