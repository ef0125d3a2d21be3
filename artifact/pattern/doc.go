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
package pattern
