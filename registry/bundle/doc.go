// Package bundle is the format in which a store crosses on media: one OCI image layout, or several volumes that are
// one each, in directories or plain tars. Nothing in a bundle is trusted because of the way it came: what it carries
// are the signed artifacts of a store, byte for byte, and a signed manifest that lists every file.
//
// # The volume
//
// A volume is a complete OCI image layout (image-spec 1.1). Its index.json names, in the way of package ocilayout, the
// manifests of its items, "<repository>:<tag>", and its own manifest, "bundle:volume". It can be loaded alone, and in
// any order: it has every file that its items need, each once.
//
// In a tar the files follow each other like this, so that a pipe can be read with room for one item:
//
//	tar       = oci-layout index.json volume { item } end
//	volume    = image config lines [ sigimage { sigblob } ]
//	item      = { file }      those files of the item that no earlier item has
//	end       = two blocks of zeros, and nothing after them
//
// Every entry is a regular file with a USTAR header that is determined by its name and size: mode 0444, no owner, time
// 0. Its place is determined by the sizes before it. So a reader knows each block of the tar that is no content, and
// takes no other. All names but the first two are blobs/sha256/<hex>.
//
// # The bundle manifest
//
// The image is an OCI image manifest of artifact type [ArtifactType] with a config {"bundle":…,"volume":…} and one
// layer, the lines. It is signed as a snapshot of the checksum database is: sigimage is its .sig manifest. The lines
// are JSON values, each followed by a newline:
//
//	lines     = header { omitted } { item }
//	header    = {"format":"1","bundle":digest,"volume":k,"signed":true,"base":digest,"source":text,
//	             "omitted":count,"volumes":[summary,…]}
//	summary   = {"items":count,"files":count,"size":bytes,"digest":digest}
//	omitted   = {"repository":name,"tag":tag,"mediaType":type,"digest":digest,"size":bytes}
//	item      = {"repository":name,"manifests":[manifest,…],"blobs":[blob,…]}
//	manifest  = {"tag":tag,"mediaType":type,"digest":digest,"size":bytes}
//	blob      = {"digest":digest,"size":bytes} |
//	            {"digest":digest,"size":bytes,"base":true} |
//	            {"digest":digest,"size":bytes,"parts":[part,…]}
//	part      = {"volume":k,"digest":digest,"size":bytes}
//	digest    = "sha256:" and 64 of 0-9a-f
//
// In the header, signed, base and source are absent where they do not apply. The first manifest of an item is what is
// under its tag, which is a version, go.mod alone, a revision, evidence, a snapshot or an index. What follows it vouches
// for it: its .sig manifest; referrers with sigstore bundles, which have no tag; and the list of these, under the tag
// that the distribution specification has for it. Manifests are files, too.
//
// A blob with base is not in the bundle: the side that wrote the inventory base had it. So had it what is omitted. A
// blob that is larger than a volume is cut: its parts are files in several volumes, each of which has the rest of the
// item.
//
// The digest of a summary is that of the volume's lines of items. The digest that identifies the bundle is that of the
// header, without bundle, volume and signed, and the lines of what is omitted. So each volume proves which bundle it is
// of and which volume it is, and the same items of the same store give the same bytes: but for the signature, which is
// made with chance.
package bundle

// What a volume's own manifest is.
const (
	ArtifactType    = "application/vnd.modferry.bundle.v1"
	MediaTypeConfig = "application/vnd.modferry.bundle.config.v1+json"
	MediaTypeLines  = "application/vnd.modferry.bundle.lines.v1+jsonl"

	// Repository and Tag are where a volume has it. No module has such a repository.
	Repository = "bundle"
	Tag        = "volume"
)
