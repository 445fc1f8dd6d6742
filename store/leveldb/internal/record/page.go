package record

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
// again, and as much of one whose value has 4 KiB: so events of 100 bytes, many
// a commit, are appended two and a half times as fast as each under its own key,
// and read three times as fast. What is larger would only make it dearer to
// read, or to replace, one event.
//
// PageBytes is how large a page gets: it ends with the event that reaches this.
const PageBytes = 4 << 10

const pageHeader = 1 + 4 + 8 + 8 + 2 // flags, checksum, time, position, count

// A PageWriter makes pages, one after the other, in the same memory.
type PageWriter struct {
	b     []byte // the value so far
	count int
	last  uint64 // position of the last event
}

// Add appends an event. The first one begins the page.
func (w *PageWriter) Add(position uint64, time int64, data []byte) {
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

// Full reports whether the page should end.
func (w *PageWriter) Full() bool {
	return w.count > 0 && len(w.b) >= PageBytes || w.count == math.MaxUint16
}

// End returns the value to be stored under key, which is valid until the next
// call of Add.
func (w *PageWriter) End(key []byte) []byte {
	binary.BigEndian.PutUint16(w.b[21:], uint16(w.count))
	binary.BigEndian.PutUint32(w.b[1:], pageSum(key, w.b))
	w.count = 0
	return w.b
}

// Empty reports whether the page has no event yet.
func (w *PageWriter) Empty() bool { return w.count == 0 }

// Reset drops what was added since the last End.
func (w *PageWriter) Reset() { w.count = 0 }

// A Page is read event by event; see ParsePage.
type Page struct {
	First    uint64 // id of the event that is next
	Left     uint64 // events
	Time     int64  // µs since 1970
	Position uint64 // of the event before, or of the first
	Lost     bool   // there is nothing of the events
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

// LostPages yields the pages of neighbouring events of a stream that are lost: their keys
// and values. time and position are those of what came before.
func LostPages(number, first, last uint64, time int64, position uint64) iter.Seq2[[]byte, []byte] {
	return func(yield func(key, value []byte) bool) {
		for next := first; next <= last; {
			count := min(last-next+1, math.MaxUint16)
			next += count
			key := AppendEventKey(nil, number, next-1)
			if !yield(key, lostPage(key, count, time, position)) {
				return
			}
		}
	}
}

// ParsePage reads the head of a page that has events, and verifies all of it. A page of
// lost events is an ErrAccepted, any other that cannot be read an ErrDamaged.
func ParsePage(key, value []byte) (p Page, err error) {
	p, err = ParseAnyPage(key, value)
	if err == nil && p.Lost {
		err = fmt.Errorf("%w: the events %d to %d were lost when the store was repaired", store.ErrAccepted, p.First, KeyNumber(key))
	}
	return p, err
}

// ParseAnyPage is ParsePage for those that are lost, too.
func ParseAnyPage(key, value []byte) (p Page, err error) {
	if len(key) < 8 || len(value) < pageHeader {
		return p, fmt.Errorf("%w: page %x is cut to %d bytes", store.ErrDamaged, key, len(value))
	}
	if pageSum(key, value) != binary.BigEndian.Uint32(value[1:]) || value[0] > pageLost {
		return p, fmt.Errorf("%w: page %x has a wrong checksum", store.ErrDamaged, key)
	}
	p = Page{
		Left: uint64(binary.BigEndian.Uint16(value[21:])), Time: int64(binary.BigEndian.Uint64(value[5:])),
		Position: binary.BigEndian.Uint64(value[13:]), Lost: value[0] == pageLost, d: decoder{b: value[pageHeader:]},
	}
	last := KeyNumber(key)
	if p.Left == 0 || p.Left > last {
		return p, fmt.Errorf("%w: page %x has %d events", store.ErrDamaged, key, p.Left)
	}
	p.First = last - p.Left + 1
	return p, nil
}

// Next returns an event, whose data shares the page's memory. There must be one
// left. One that is cut is an ErrDamaged.
func (p *Page) Next() (id, position uint64, data []byte, err error) {
	step := p.d.uvarint()
	n := p.d.uvarint()
	if p.d.short || n > uint64(len(p.d.b)) {
		return 0, 0, nil, fmt.Errorf("%w: a page ends within the event %d", store.ErrDamaged, p.First)
	}
	data = p.d.take(int(n))
	p.Position += step
	p.First++
	p.Left--
	return p.First - 1, p.Position, data, nil
}

// Trailing reports whether bytes follow the last event, once there is none left.
func (p *Page) Trailing() bool { return p.Left == 0 && len(p.d.b) > 0 }

// PageFirst returns the first id of a page, without verifying it; ok is false for
// what is too short to be one.
func PageFirst(key, value []byte) (first uint64, ok bool) {
	if len(value) < pageHeader {
		return 0, false
	}
	last := KeyNumber(key)
	return last + 1 - min(last, uint64(binary.BigEndian.Uint16(value[21:]))), true
}

// ShrinkPage returns the value of a page without its events up to an id; nil if it has
// none of them.
func ShrinkPage(key, value []byte, upTo uint64) ([]byte, error) {
	p, err := ParseAnyPage(key, value)
	if err != nil || p.First > upTo {
		return nil, err
	}
	if p.Lost {
		return lostPage(key, KeyNumber(key)-upTo, p.Time, p.Position), nil
	}
	var w PageWriter
	time := p.Time
	for p.Left > 0 {
		id, position, data, err := p.Next()
		if err != nil {
			return nil, err
		}
		if id > upTo {
			w.Add(position, time, data)
		}
	}
	return w.End(key), nil
}

// pageSum returns the checksum of a page: over its key and all of the value but
// the checksum itself.
func pageSum(key, value []byte) uint32 {
	sum := crc32.Update(0, castagnoli, key)
	sum = crc32.Update(sum, castagnoli, value[:1])
	return crc32.Update(sum, castagnoli, value[5:])
}
