package userfile

import "os"

// writeOver writes to the file as it is: Windows cannot replace one that is open.
func writeOver(name string, data []byte) error { return os.WriteFile(name, data, 0o666) }
