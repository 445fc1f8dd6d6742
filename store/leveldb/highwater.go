package leveldb

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"

	"gorewind/store"
)

// The high-water file says how far the commits reach at least, so that a
// database that lost its end is told from one that never had it. It is synced
// about once a second and at a clean stop, never on the way of a commit.
//
// It has two slots of 28 octets, at 0 and at 4096, written in turn, so that a
// torn write leaves the other one whole. The one with the higher position holds.
// At 8192 is a copy of db/FORMAT.
//
//	position:8 chain:8 magic:8 checksum:4 (CRC-32C of the 24 octets before)
type highwater struct {
	position uint64 // of the last commit that is surely on disk
	chain    uint64 // its chain
}

const (
	highwaterName   = "highwater"
	highwaterMagic  = 0x67_72_77_68_77_30_30_31 // "grwhw001"
	highwaterSlot   = 28
	highwaterStride = 4096
)

var crc32c = crc32.MakeTable(crc32.Castagnoli)

func (h highwater) encode() []byte {
	b := binary.BigEndian.AppendUint64(nil, h.position)
	b = binary.BigEndian.AppendUint64(b, h.chain)
	b = binary.BigEndian.AppendUint64(b, highwaterMagic)
	return binary.BigEndian.AppendUint32(b, crc32.Checksum(b, crc32c))
}

func parseHighwater(b []byte) (h highwater, ok bool) {
	if len(b) != highwaterSlot ||
		crc32.Checksum(b[:24], crc32c) != binary.BigEndian.Uint32(b[24:]) ||
		binary.BigEndian.Uint64(b[16:]) != highwaterMagic {
		return h, false
	}
	return highwater{binary.BigEndian.Uint64(b), binary.BigEndian.Uint64(b[8:])}, true
}

// A highwaterFile is used by one goroutine at a time.
type highwaterFile struct {
	f    slots
	last highwater
	slot int64 // the one that holds last
}

// openHighwater opens the high-water file of a disk, or makes it if create is
// set. It returns nil where there is none to be.
func openHighwater(on disk, create bool) (*highwaterFile, error) {
	f, err := on.highwater(create)
	if errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("%w: the file %s is missing, so nobody can tell whether the store is whole", store.ErrDamaged, highwaterName)
	}
	if err != nil || f == nil {
		return nil, err
	}
	h := &highwaterFile{f: f}
	found, written := false, false
	for slot := range int64(2) {
		v, ok, blank, err := readSlot(f, slot)
		if err != nil {
			f.Close()
			return nil, err
		}
		if ok && (!found || v.position > h.last.position) {
			h.last, h.slot, found = v, slot, true
		}
		written = written || !blank
	}
	switch {
	case found:
		return h, nil
	case written || !create:
		f.Close()
		return nil, fmt.Errorf("%w: neither half of the file %s is readable", store.ErrDamaged, highwaterName)
	}
	if err := h.write(highwater{}); err != nil {
		f.Close()
		return nil, err
	}
	return h, nil
}

// rewriteHighwater makes both slots of the file anew.
func rewriteHighwater(on disk, v highwater) error {
	f, err := on.highwater(true)
	if err != nil {
		return err
	}
	h := &highwaterFile{f: f}
	return errors.Join(h.write(v), h.write(v), h.close())
}

// readSlot reads a slot, and reports whether it is whole, or as if it had never
// been written.
func readSlot(f io.ReaderAt, slot int64) (v highwater, ok, blank bool, err error) {
	var b [highwaterSlot]byte
	if _, err := f.ReadAt(b[:], slot*highwaterStride); err != nil && err != io.EOF {
		return v, false, false, err
	}
	v, ok = parseHighwater(b[:])
	return v, ok, b == [highwaterSlot]byte{}, nil
}

// write replaces the older slot and syncs it.
func (h *highwaterFile) write(v highwater) error {
	slot := 1 - h.slot
	if _, err := h.f.WriteAt(v.encode(), slot*highwaterStride); err != nil {
		return err
	}
	if err := h.f.Sync(); err != nil {
		return err
	}
	h.last, h.slot = v, slot
	return nil
}

func (h *highwaterFile) close() error { return h.f.Close() }
