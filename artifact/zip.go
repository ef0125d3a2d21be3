package artifact

import (
	"archive/tar"
	"fmt"
	"io"

	"github.com/modferry/modferry/artifact/goproxy"
)

// ExtractZip reads the zip layer, as stored: gzipped or a plain tar, and writes the module zip to dst. It reads layer
// to its end and checks size, digest and that the zip is all there is. The error matches [ErrCorrupt] or [ErrLimit],
// or is the one that reading or writing failed with; what was written to dst before an error must be thrown away.
// Calling it for a mod-only version is an error.
//
// That the zip is well formed and has the right sum is for [Manifest.CheckZipFile].
func (m *Manifest) ExtractZip(dst io.Writer, layer io.Reader) error {
	if m.Zip == nil {
		return fmt.Errorf("%s is stored without its zip", m.Module)
	}
	if err := m.extractZip(dst, layer); err != nil {
		return fmt.Errorf("zip layer: %w", err)
	}
	return nil
}

func (m *Manifest) extractZip(dst io.Writer, layer io.Reader) error {
	tree, err := goproxy.Base(m.Module)
	if err != nil {
		return err
	}
	l, err := newLayerReader(layer, *m.Zip, maxZipLayer)
	if err != nil {
		return err
	}
	defer l.close()
	h, err := l.Next()
	if err != nil {
		return l.fault(err)
	}
	if !isRegular(h) || h.Name != tree+".zip" {
		return l.fault(fmt.Errorf("unexpected entry %q", h.Name))
	}
	if err := CheckSize("module zip", h.Size, MaxZip); err != nil {
		return err
	}
	w := &errWriter{dst: dst}
	if _, err := io.CopyBuffer(w, l, l.buffers.copy[:]); err != nil {
		if w.err != nil {
			return w.err
		}
		return l.fault(err)
	}
	switch h, err := l.Next(); {
	case err == nil:
		return l.fault(fmt.Errorf("unexpected entry %q", h.Name))
	case err != io.EOF:
		return l.fault(err)
	}
	return l.finish()
}

// CheckZipFile checks that the named file is the module zip: well formed for this path and version, within the
// limits, and with the manifest's sum. The error matches [ErrCorrupt] or [ErrLimit], or is one of the file system.
func (m *Manifest) CheckZipFile(name string) error {
	z, err := checkZip(m.Module, name)
	if err != nil {
		return err
	}
	return m.checkSum(z)
}

func (m *Manifest) checkSum(z checkedZip) error {
	if z.sum != m.Sum {
		return fmt.Errorf("module zip: %w: it has the sum %s instead of %s", ErrCorrupt, z.sum, m.Sum)
	}
	return nil
}

// isRegular reports whether h is the header of a plain file.
func isRegular(h *tar.Header) bool { return h.Typeflag == tar.TypeReg }

// An errWriter remembers what writing failed with, to tell it from an error in reading.
type errWriter struct {
	dst io.Writer
	err error
}

// Write implements io.Writer.
func (w *errWriter) Write(p []byte) (int, error) {
	n, err := w.dst.Write(p)
	if err != nil {
		w.err = err
	}
	return n, err
}
