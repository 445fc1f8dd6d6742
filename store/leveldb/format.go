package leveldb

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"hash/crc64"

	"gorewind/store"
)

// What is on disk, format 1. It stays readable for ever; testdata/v1 is a store
// that keeps later versions to that.
//
// A store is a directory:
//
//	LOCK        locked while a process has the store open
//	highwater   how far the commits reach at least, and a copy of FORMAT; see
//	            highwater.go
//	db/         the LevelDB database; a journal (*.log) that was not closed has
//	            room at its end, which reads as zeros
//	db/FORMAT   text: the format, the store's id and generation, and the secret
//	            of the sums that are kept of requests with a key, and a checksum
//	            (CRC-32C) of the lines before. The generation rises, with gaps: a
//	            store that is made of a copy has the time then in milliseconds, if
//	            the other's is not greater; a repair with loss adds 1
//	db.new/     a database that is being made; it is renamed to db when whole
//	db.restoring/  a database that Restore is making; it is renamed to db when whole.
//	            SOURCE in it says of what it is made
//	db.damaged-N/  a database that was repaired, as it was before; see replace.go
//
// The database has seven kinds of keys. Their first octets are chosen for their
// order: what a busy stream writes (the end of its events, its counter, commits)
// lies together, with no older events in between, so that LevelDB's compactions
// do not write those again and again. Numbers are unsigned and big-endian in
// keys; `number` is one octet that says how many octets follow, then these,
// without leading zeros, so that short ones stay short and all sort by value.
// In values, uv is an unsigned varint.
//
//	'c' octets:1 consumer number → uv id
//	'e' number last id:8  → flags:1 checksum:4 time:8 position:8 count:2, per event:
//	                        uv positions after the one before, uv octets, data
//	'k' number key        → sum:16, uv groups, per group: uv id
//	'n' number            → stream
//	'p' position:8        → 'r' or 'd', uv number, uv first id, uv last id
//	's' stream            → uv number, uv last id, uv deleted up to
//	'x' last position:8   → flags:1 time:8 first position:8 uv next number,
//	                        uv octets, uv runs, per run: uv number, uv first id,
//	                        uv count, uv operations, operations, chain:8
//
// e is a page: count events of a stream, which one commit wrote, up to the last
// id. Their time is one; position is that of the first. The checksum is CRC-32C
// over the key, then all of the value but the checksum itself. Flags are 0, or 1
// where the events were lost and count is all that there is of them (see
// settle.go); a reader refuses others. s is a stream's counter, n is its name by the number
// that stands for it in the other keys.
//
// c is a consumer's cursor in a stream; number 0 is the whole store. k is a
// request that had a key: a sum of what it asked for (see key.go) and the last id
// of each of its groups. p is something that was erased and may still be in
// files, under the position of the operation that erased it: 'd', the events from
// first to last id of a stream; 'r', what the page up to last id held before the
// event first id was replaced. See erase.go.
//
// x is a commit, one record for each, under the last position that it took. Its
// runs are in the order of positions: count events of a stream from first id
// on; octets is their data's. After them come the positions of its operations.
// next number is what the next new stream will be called. chain is CRC-64 (ECMA)
// over the chain of the commit before, the key and all of the value but chain: it
// proves that no commit is missing from the middle. Times are microseconds since
// 1970 and never fall. The operations, each after one octet that tells which:
//
//	'r' uv number, uv id, uv last id of its page             an event was replaced
//	'd' uv number, uv first id, uv last id                   events were deleted
//	'c' uv number, uv id, uv octets, consumer                a cursor was moved
//	'k' uv number, uv octets, key, sum:16, uv groups, per group: uv id
//	                                                         a request had a key; it
//	                                                         takes no position
//	'l' uv count, patch:8                                    what took so many positions
//	                                                         was lost; patch makes the
//	                                                         chain go on
//	'o' uv count                                             what took so many positions
//	                                                         is of streams that the store
//	                                                         was made without
const formatVersion = 1

// maxKey is how many octets a key of numbers has at most.
const maxKey = 1 + 9 + 8

// Kinds of keys; the first octet of each.
const (
	kindCursor  = 'c'
	kindEvent   = 'e'
	kindKey     = 'k'
	kindName    = 'n'
	kindErasure = 'p'
	kindStream  = 's'
	kindCommit  = 'x'
)

var (
	castagnoli = crc32.MakeTable(crc32.Castagnoli)
	ecma       = crc64.MakeTable(crc64.ECMA)
)

func appendNumber(b []byte, n uint64) []byte {
	var full [8]byte
	binary.BigEndian.PutUint64(full[:], n)
	skip := 0
	for skip < 8 && full[skip] == 0 {
		skip++
	}
	return append(append(b, byte(8-skip)), full[skip:]...)
}

func appendStreamKey(b, name []byte) []byte {
	return append(append(b, kindStream), name...)
}

func streamKey(name []byte) []byte { return appendStreamKey(nil, name) }

func nameKey(number uint64) []byte {
	return appendNumber([]byte{kindName}, number)
}

func appendEventKey(b []byte, number, id uint64) []byte {
	return binary.BigEndian.AppendUint64(appendNumber(append(b, kindEvent), number), id)
}

func commitKey(last uint64) []byte {
	return binary.BigEndian.AppendUint64([]byte{kindCommit}, last)
}

func erasureKey(position uint64) []byte {
	return binary.BigEndian.AppendUint64([]byte{kindErasure}, position)
}

func cursorKey(consumer []byte, number uint64) []byte {
	return appendNumber(append([]byte{kindCursor, byte(len(consumer))}, consumer...), number)
}

func keyKey(number uint64, key []byte) []byte {
	return append(appendNumber([]byte{kindKey}, number), key...)
}

// keyNumber returns the 8 octets at the end of a key: an id or a position.
func keyNumber(key []byte) uint64 {
	return binary.BigEndian.Uint64(key[len(key)-8:])
}

// A counter is what the store keeps of a stream.
type counter struct {
	number  uint64 // stands for the stream in keys; from 1
	last    uint64 // id of the last event
	deleted uint64 // events up to this id are gone
}

func (c counter) append(b []byte) []byte {
	b = binary.AppendUvarint(b, c.number)
	b = binary.AppendUvarint(b, c.last)
	return binary.AppendUvarint(b, c.deleted)
}

func parseCounter(b []byte) (c counter, err error) {
	d := decoder{b: b}
	c = counter{d.uvarint(), d.uvarint(), d.uvarint()}
	if !d.end() || c.number == 0 || c.deleted > c.last {
		return c, fmt.Errorf("%w: record of a stream: %x", store.ErrDamaged, b)
	}
	return c, nil
}

// A run is some neighbouring events of one stream in a commit.
type run struct{ number, first, count uint64 }

// A commitRecord is what the store keeps of a commit.
type commitRecord struct {
	last       uint64 // last position, the key
	time       int64  // µs since 1970
	first      uint64 // first position
	nextNumber uint64 // of the stream that is made next
	octets     uint64 // of the events' data
	runs       []run
	operations []operation
	chain      uint64 // proves the record and all before it
}

// events returns how many events the commit has.
func (c *commitRecord) events() (n uint64) {
	for _, r := range c.runs {
		n += r.count
	}
	return n
}

// lost reports whether c stands for lost commits.
func (c *commitRecord) lost() bool {
	return len(c.operations) > 0 && c.operations[0].kind == opLost && c.operations[0].count > 0
}

// append encodes c after setting its chain from the one before it.
func (c *commitRecord) append(b []byte, before uint64) []byte {
	start := len(b)
	b = append(b, 0)
	b = binary.BigEndian.AppendUint64(b, uint64(c.time))
	b = binary.BigEndian.AppendUint64(b, c.first)
	b = binary.AppendUvarint(b, c.nextNumber)
	b = binary.AppendUvarint(b, c.octets)
	b = binary.AppendUvarint(b, uint64(len(c.runs)))
	for _, r := range c.runs {
		b = binary.AppendUvarint(b, r.number)
		b = binary.AppendUvarint(b, r.first)
		b = binary.AppendUvarint(b, r.count)
	}
	b = binary.AppendUvarint(b, uint64(len(c.operations)))
	for i := range c.operations {
		b = c.operations[i].append(b)
	}
	c.chain = chain(before, c.last, b[start:])
	return binary.BigEndian.AppendUint64(b, c.chain)
}

func chain(before, last uint64, value []byte) uint64 {
	sum := crc64.Update(0, ecma, binary.BigEndian.AppendUint64(nil, before))
	sum = crc64.Update(sum, ecma, commitKey(last))
	return crc64.Update(sum, ecma, value)
}

// parse reads a commit into c, whose memory it uses again. It does not verify the
// chain: follows does.
func (c *commitRecord) parse(key, value []byte) error {
	damaged := fmt.Errorf("%w: record of the commit %x", store.ErrDamaged, key)
	if len(key) != 9 || len(value) < 8 {
		return damaged
	}
	d := decoder{b: value[:len(value)-8]}
	if d.octet() != 0 {
		return damaged
	}
	c.last = keyNumber(key)
	c.time = int64(d.uint64())
	c.first = d.uint64()
	c.nextNumber = d.uvarint()
	c.octets = d.uvarint()
	c.runs, c.operations = c.runs[:0], c.operations[:0]
	for n := d.uvarint(); n > 0 && !d.short; n-- {
		c.runs = append(c.runs, run{d.uvarint(), d.uvarint(), d.uvarint()})
	}
	for n := d.uvarint(); n > 0 && !d.short; n-- {
		c.operations = append(c.operations, d.operation())
	}
	if !d.end() {
		return damaged
	}
	c.chain = binary.BigEndian.Uint64(value[len(value)-8:])
	return nil
}

// follows verifies that value is the record that came after one whose chain
// was before.
func (c *commitRecord) follows(before uint64, value []byte) bool {
	return chain(before, c.last, value[:len(value)-8]) == c.chain
}

// A decoder reads numbers off a slice; short is set for good when it ends
// early.
type decoder struct {
	b     []byte
	short bool
}

func (d *decoder) end() bool { return !d.short && len(d.b) == 0 }

func (d *decoder) take(n int) []byte {
	if d.short || n > len(d.b) {
		d.short = true
		return make([]byte, n)
	}
	head := d.b[:n:n]
	d.b = d.b[n:]
	return head
}

// bytes returns octets that stand after their number.
func (d *decoder) bytes() []byte {
	n := d.uvarint()
	return d.take(int(min(n, uint64(len(d.b)+1))))
}

func (d *decoder) octet() byte    { return d.take(1)[0] }
func (d *decoder) uint64() uint64 { return binary.BigEndian.Uint64(d.take(8)) }

func (d *decoder) uvarint() uint64 {
	v, n := binary.Uvarint(d.b)
	if n <= 0 {
		d.short = true
		return 0
	}
	d.take(n)
	return v
}
