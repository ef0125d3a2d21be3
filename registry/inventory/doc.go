// Package inventory tells what a store holds, by name and digest, in a file small enough to be carried out of a
// network that little leaves. What is in it need not be carried in again: it is the base of a differential bundle.
//
// As text, it has a line for each repository, and hundreds of versions fit a page or two:
//
//	inventory  = "modferry inventory 1\n" { repository } end
//	repository = name { " " tag "=" manifest [ "." signatures ] [ "+" referrers ] } { " #" blob } "\n"
//	end        = "end " repositories " " tags "\n"
//	manifest   = 16 hexadecimal digits   the beginning of a manifest's SHA-256 digest
//	signatures =  8 hexadecimal digits   that of the manifest with its signatures, in cosign's classic form
//	referrers  =  8 hexadecimal digits   that of the list of its referrers, such as sigstore bundles, if it has a tag
//	blob       = 16 hexadecimal digits   that of a blob of a checksum database's snapshots
//
// Repositories and the words of a line are sorted, each is there once, and a repository has at least one tag. The end
// counts repositories and tags, so that a file that was cut off is noticed. Digests are short because nothing is
// trusted for their sake: who leaves something out of a bundle on the word of an inventory names it in full, and who
// loads the bundle looks for that.
//
// As JSON, one value a line, the digests are whole:
//
//	{"inventory":1}
//	{"repository":"…","module":"…","tags":[{"tag":"…","digest":"…","signatures":"…","referrers":"…"}],"blobs":["…"]}
//	{"repositories":1,"tags":1}
//
// Both forms have exactly one spelling. The digest of an inventory is that of its text, in whatever form it came: the
// same content has the same digest, wherever the store is.
package inventory
