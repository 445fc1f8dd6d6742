package record

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"iter"
	"math"

	"gorewind/store"
)

// PageBytes is the size of a page: it ends with the event that reaches this.
//
// A page is consecutive events of one stream that one commit wrote. Its key holds
// the id of its last event, so the first key at or after an id is the page that
// holds that event.
//
// LevelDB spends a microsecond on every key that it inserts, merges and reads
// again, and no more on a key whose value has 4 KiB. In pages, events of 100 bytes,
// many in a commit, are appended two and a half times as fast as under keys of
// their own, and read three times as fast. Larger pages would only make it more
// expensive to read or replace one event.
const PageBytes = 4 << 10

const pageHeader = 1 + 4 + 8 + 8 + 2 // flags, checksum, time, position, count

// A PageWriter makes pages one after the other in the same memory.
type PageWriter struct {
	b     []byte // the value so far
	count int
	last  uint64 // position of the last event
}

// Add appends an event. The first event begins the page.
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

// End returns the value to be stored under key. It is valid until the next call of
// Add.
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
	First    uint64 // id of the next event
	Left     uint64 // events left
	Time     int64  // µs since 1970
	Position uint64 // of the previous event, or of the first
	Lost     bool   // the events were lost; the page has no data
	d        decoder
}

// pageLost flags a page of lost events, which a repair wrote. It has their number;
// its time and position are those of the page before.
const pageLost = 1

// lostPage returns the value of a page of lost events under key.
func lostPage(key []byte, count uint64, time int64, position uint64) []byte {
	value := make([]byte, pageHeader)
	value[0] = pageLost
	binary.BigEndian.PutUint64(value[5:], uint64(time))
	binary.BigEndian.PutUint64(value[13:], position)
	binary.BigEndian.PutUint16(value[21:], uint16(count))
	binary.BigEndian.PutUint32(value[1:], pageSum(key, value))
	return value
}

// LostPages yields the pages of lost consecutive events of a stream: keys and
// values. time and position are those of the page before.
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

// ParsePage reads the header of a page and verifies all of it. A page of lost
// events is an ErrAccepted; any other page that cannot be read is an ErrDamaged.
func ParsePage(key, value []byte) (p Page, err error) {
	p, err = ParseAnyPage(key, value)
	if err == nil && p.Lost {
		err = fmt.Errorf("%w: the events %d to %d were lost in an earlier repair", store.ErrAccepted, p.First, KeyNumber(key))
	}
	return p, err
}

// ParseAnyPage is ParsePage that also accepts pages of lost events.
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
		return p, fmt.Errorf("%w: page %x has an impossible number of events: %d", store.ErrDamaged, key, p.Left)
	}
	p.First = last - p.Left + 1
	return p, nil
}

// Next returns the next event, whose data shares the page's memory. There must be
// one left. A truncated event is an ErrDamaged.
func (p *Page) Next() (id, position uint64, data []byte, err error) {
	step := p.d.uvarint()
	n := p.d.uvarint()
	if p.d.short || n > uint64(len(p.d.b)) {
		return 0, 0, nil, fmt.Errorf("%w: a page ends within event %d", store.ErrDamaged, p.First)
	}
	data = p.d.take(int(n))
	p.Position += step
	p.First++
	p.Left--
	return p.First - 1, p.Position, data, nil
}

// Trailing reports whether bytes follow the last event, after all events were read.
func (p *Page) Trailing() bool { return p.Left == 0 && len(p.d.b) > 0 }

// PageFirst returns the first id of a page without verifying it; ok is false if the
// value is too short.
func PageFirst(key, value []byte) (first uint64, ok bool) {
	if len(value) < pageHeader {
		return 0, false
	}
	last := KeyNumber(key)
	return last + 1 - min(last, uint64(binary.BigEndian.Uint16(value[21:]))), true
}

// ShrinkPage returns the value of a page without its events up to an id, or nil if
// it has none of them.
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

// pageSum returns the checksum of a page: over its key and all of the value except
// the checksum.
func pageSum(key, value []byte) uint32 {
	sum := crc32.Update(0, castagnoli, key)
	sum = crc32.Update(sum, castagnoli, value[:1])
	return crc32.Update(sum, castagnoli, value[5:])
}
