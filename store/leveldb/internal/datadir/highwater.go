package datadir

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"

	"gorewind/store"
	"gorewind/store/leveldb/internal/record"
)

// A Highwater is the content of the high-water file. It says how far the commits
// reach at least, so that a database that lost its end is told from one that never
// had it. The file is synced about once a second and at a clean stop, never on the
// path of a commit.
//
// It has two slots of 28 bytes, at offsets 0 and 4096, written in turn, so that a
// torn write leaves the other one intact. The slot with the higher position counts.
// At offset 8192 is a copy of db/FORMAT.
//
//	position:8 chain:8 magic:8 checksum:4 (CRC-32C of the 24 bytes before)
type Highwater struct {
	Position uint64 // of the last commit known to be on disk
	Chain    uint64 // its chain
}

// HighwaterName is the name of the file; the rest is its layout.
const (
	HighwaterName   = "highwater"
	highwaterMagic  = 0x67_72_77_68_77_30_30_31 // "grwhw001"
	highwaterSlot   = 28
	highwaterStride = 4096
)

func (h Highwater) encode() []byte {
	b := binary.BigEndian.AppendUint64(nil, h.Position)
	b = binary.BigEndian.AppendUint64(b, h.Chain)
	b = binary.BigEndian.AppendUint64(b, highwaterMagic)
	return binary.BigEndian.AppendUint32(b, record.CRC32C(b))
}

func parseHighwater(b []byte) (h Highwater, ok bool) {
	if len(b) != highwaterSlot ||
		record.CRC32C(b[:24]) != binary.BigEndian.Uint32(b[24:]) ||
		binary.BigEndian.Uint64(b[16:]) != highwaterMagic {
		return h, false
	}
	return Highwater{binary.BigEndian.Uint64(b), binary.BigEndian.Uint64(b[8:])}, true
}

// A HighwaterFile is used by one goroutine at a time.
type HighwaterFile struct {
	f    Slots
	Last Highwater
	slot int64 // the slot that holds Last
}

// OpenHighwater opens the high-water file of a disk, and creates it if create is
// set. It returns nil if the disk has none, and an ErrDamaged if the file is
// missing or unreadable.
func OpenHighwater(on Disk, create bool) (*HighwaterFile, error) {
	f, err := on.Highwater(create)
	if errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("%w: the file %s is missing: cannot tell whether the store is complete", store.ErrDamaged, HighwaterName)
	}
	if err != nil || f == nil {
		return nil, err
	}
	h := &HighwaterFile{f: f}
	found, written := false, false
	for slot := range int64(2) {
		v, ok, blank, err := ReadSlot(f, slot)
		if err != nil {
			f.Close()
			return nil, err
		}
		if ok && (!found || v.Position > h.Last.Position) {
			h.Last, h.slot, found = v, slot, true
		}
		written = written || !blank
	}
	switch {
	case found:
		return h, nil
	case written || !create:
		f.Close()
		return nil, fmt.Errorf("%w: neither half of the file %s is readable", store.ErrDamaged, HighwaterName)
	}
	if err := h.Write(Highwater{}); err != nil {
		f.Close()
		return nil, err
	}
	return h, nil
}

// RewriteHighwater rewrites both slots of the file.
func RewriteHighwater(on Disk, v Highwater) error {
	f, err := on.Highwater(true)
	if err != nil {
		return err
	}
	h := &HighwaterFile{f: f}
	return errors.Join(h.Write(v), h.Write(v), h.Close())
}

// ReadSlot reads a slot. ok reports that it is intact, blank that it was never
// written.
func ReadSlot(f io.ReaderAt, slot int64) (v Highwater, ok, blank bool, err error) {
	var b [highwaterSlot]byte
	if _, err := f.ReadAt(b[:], slot*highwaterStride); err != nil && !errors.Is(err, io.EOF) {
		return v, false, false, err
	}
	v, ok = parseHighwater(b[:])
	return v, ok, b == [highwaterSlot]byte{}, nil
}

// Write replaces the older slot and syncs it.
func (h *HighwaterFile) Write(v Highwater) error {
	slot := 1 - h.slot
	if _, err := h.f.WriteAt(v.encode(), slot*highwaterStride); err != nil {
		return err
	}
	if err := h.f.Sync(); err != nil {
		return err
	}
	h.Last, h.slot = v, slot
	return nil
}

// Close closes the file.
func (h *HighwaterFile) Close() error { return h.f.Close() }
