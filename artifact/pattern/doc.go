// Package pattern parses and matches the patterns that stand for many module
// versions: in a trust policy's deny list, and in a mirror file.
//
//	pattern    = glob [ "@" range ]
//	glob       = element { "/" element }
//	element    = "**" | { character | "*" }
//	range      = comparator { separator comparator }
//	separator  = " " | ","  (one or more)
//	comparator = version | prefix | operator bound
//	operator   = ">=" | ">" | "<=" | "<" | "!="
//	bound      = version | prefix  (a prefix after >= and < only)
//
// A version is a semantic version, as in v1.2.3-rc.1; a prefix is one that
// lacks its end, as in v1 or v1.2. Everything here is pure: no function reads a
// file or asks anybody.
//
// A prefix stands for all versions that begin so, and as a bound for the lowest of them, which is a pre-release:
//
//	         v1.9.9  v2.0.0-rc.1  v2.0.0  v2.9.9  v3.0.0-rc.1
//	<v2        in        -          -       -         -
//	>=v2       -         in         in      in        in
//	v2         -         in         in      in        -
//	<v2.0.0    in        in         -       -         -
//	>=v2.0.0   -         -          in      in        in
//
// That is what deny lists need: nobody who lets in <v2 wants v2.0.0-rc.1, and who keeps out >=v2 keeps out that as well.
// The bounds of queries, as in module@<v2, mean the same. To the go command v2 is v2.0.0, in bounds too: where no release
// matches, its <v2 may choose v2.0.0-rc.1, and its >=v2 does not. [Range.Explicit] says to it what is meant here.
package pattern
