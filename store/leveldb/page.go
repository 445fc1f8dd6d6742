package leveldb

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"iter"
	"math"

	"gorewind/store"
)

// A page is neighbouring events of one stream that one commit wrote. It stands
// under the id of its last event, so that the first key from an id on is that of
// the page that holds it.
//
// LevelDB takes a microsecond of every key that it inserts, merges and reads
// again, and as much of one whose value has 4 KiB: so events of 100 octets, many
// a commit, are appended two and a half times as fast as each under its own key,
// and read three times as fast. What is larger would only make it dearer to
// read, or to replace, one event.
const pageOctets = 4 << 10

const pageHeader = 1 + 4 + 8 + 8 + 2 // flags, checksum, time, position, count

// A pageWriter makes pages, one after the other, in the same memory.
type pageWriter struct {
	b     []byte // the value so far
	count int
	last  uint64 // position of the last event
}

// add appends an event. The first one begins the page.
func (w *pageWriter) add(position uint64, time int64, data []byte) {
	if w.count == 0 {
		w.b = append(w.b[:0], make([]byte, pageHeader)...)
		binary.BigEndian.PutUint64(w.b[5:], uint64(time))
		binary.BigEndian.PutUint64(w.b[13:], position)
		w.last = position
	}
	w.b = binary.AppendUvarint(w.b, position-w.last)
	w.b = binary.AppendUvarint(w.b, uint64(len(data)))
	w.b = append(w.b, data...)
	w.last = position
	w.count++
}

// full reports whether the page should end.
func (w *pageWriter) full() bool {
	return w.count > 0 && len(w.b) >= pageOctets || w.count == math.MaxUint16
}

// end returns the value to be stored under key, which is valid until the next
// call of add.
func (w *pageWriter) end(key []byte) []byte {
	binary.BigEndian.PutUint16(w.b[21:], uint16(w.count))
	binary.BigEndian.PutUint32(w.b[1:], pageSum(key, w.b))
	w.count = 0
	return w.b
}

// empty reports whether the page has no event yet.
func (w *pageWriter) empty() bool { return w.count == 0 }

// reset drops what was added since the last end.
func (w *pageWriter) reset() { w.count = 0 }

// A page is read event by event.
type page struct {
	first    uint64 // id of the event that is next
	left     uint64 // events
	time     int64  // µs since 1970
	position uint64 // of the event before, or of the first
	lost     bool   // there is nothing of the events
	d        decoder
}

// pageLost is the flag of a page whose events were lost, which a repair put there.
// It has their number; time and position are those of what came before.
const pageLost = 1

// lostPage returns the value of such a page under key.
func lostPage(key []byte, count uint64, time int64, position uint64) []byte {
	value := make([]byte, pageHeader)
	value[0] = pageLost
	binary.BigEndian.PutUint64(value[5:], uint64(time))
	binary.BigEndian.PutUint64(value[13:], position)
	binary.BigEndian.PutUint16(value[21:], uint16(count))
	binary.BigEndian.PutUint32(value[1:], pageSum(key, value))
	return value
}

// lostPages yields the pages, with their keys, of neighbouring events of a stream.
func lostPages(number, first, last uint64, time int64, position uint64) iter.Seq2[[]byte, []byte] {
	return func(yield func(key, value []byte) bool) {
		for next := first; next <= last; {
			count := min(last-next+1, math.MaxUint16)
			next += count
			key := appendEventKey(nil, number, next-1)
			if !yield(key, lostPage(key, count, time, position)) {
				return
			}
		}
	}
}

// parsePage reads the head of a page that has events, and verifies all of it.
func parsePage(key, value []byte) (p page, err error) {
	p, err = parseAnyPage(key, value)
	if err == nil && p.lost {
		err = fmt.Errorf("%w: the events %d to %d were lost when the store was repaired", store.ErrAccepted, p.first, keyNumber(key))
	}
	return p, err
}

// parseAnyPage is parsePage for those that are lost, too.
func parseAnyPage(key, value []byte) (p page, err error) {
	if len(key) < 8 || len(value) < pageHeader {
		return p, fmt.Errorf("%w: page %x is cut to %d octets", store.ErrDamaged, key, len(value))
	}
	if pageSum(key, value) != binary.BigEndian.Uint32(value[1:]) || value[0] > pageLost {
		return p, fmt.Errorf("%w: page %x has a wrong checksum", store.ErrDamaged, key)
	}
	p = page{
		left: uint64(binary.BigEndian.Uint16(value[21:])), time: int64(binary.BigEndian.Uint64(value[5:])),
		position: binary.BigEndian.Uint64(value[13:]), lost: value[0] == pageLost, d: decoder{b: value[pageHeader:]},
	}
	last := keyNumber(key)
	if p.left == 0 || p.left > last {
		return p, fmt.Errorf("%w: page %x has %d events", store.ErrDamaged, key, p.left)
	}
	p.first = last - p.left + 1
	return p, nil
}

// next returns an event, whose data shares the page's memory. There must be one
// left.
func (p *page) next() (id, position uint64, data []byte, err error) {
	step := p.d.uvarint()
	n := p.d.uvarint()
	if p.d.short || n > uint64(len(p.d.b)) {
		return 0, 0, nil, fmt.Errorf("%w: a page ends within the event %d", store.ErrDamaged, p.first)
	}
	data = p.d.take(int(n))
	p.position += step
	p.first++
	p.left--
	return p.first - 1, p.position, data, nil
}

// trailing reports whether octets follow the last event, once there is none left.
func (p *page) trailing() bool { return p.left == 0 && len(p.d.b) > 0 }

// pageFirst returns the first id of a page, without verifying it; ok is false for
// what is too short to be one.
func pageFirst(key, value []byte) (first uint64, ok bool) {
	if len(value) < pageHeader {
		return 0, false
	}
	last := keyNumber(key)
	return last + 1 - min(last, uint64(binary.BigEndian.Uint16(value[21:]))), true
}

// shrunk returns the value of a page without its events up to an id; nil if it has
// none of them.
func shrunk(key, value []byte, upTo uint64) ([]byte, error) {
	p, err := parseAnyPage(key, value)
	if err != nil || p.first > upTo {
		return nil, err
	}
	if p.lost {
		return lostPage(key, keyNumber(key)-upTo, p.time, p.position), nil
	}
	var w pageWriter
	time := p.time
	for p.left > 0 {
		id, position, data, err := p.next()
		if err != nil {
			return nil, err
		}
		if id > upTo {
			w.add(position, time, data)
		}
	}
	return w.end(key), nil
}

// pageSum returns the checksum of a page: over its key and all of the value but
// the checksum itself.
func pageSum(key, value []byte) uint32 {
	sum := crc32.Update(0, castagnoli, key)
	sum = crc32.Update(sum, castagnoli, value[:1])
	return crc32.Update(sum, castagnoli, value[5:])
}
