// Package record defines the formats of what the engine stores: keys, values, and
// how the log shows them. It knows bytes and the contract in store, but neither
// LevelDB nor files.
package record

import (
	"encoding/binary"
	"hash/crc32"
	"hash/crc64"
)

// Version is that of what is on disk, format 1. It stays readable for ever; testdata/v1 of the engine is a
// store that keeps later versions to that.
//
// A store is a directory:
//
//	LOCK        locked while a process has the store open
//	highwater   how far the commits reach at least, and a copy of FORMAT; see
//	            package datadir
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
//	db.damaged-N/  a database that was repaired, as it was before; see package
//	            datadir
//
// The database has seven kinds of keys. Their first bytes are chosen for their
// order: what a busy stream writes (the end of its events, its counter, commits)
// lies together, with no older events in between, so that LevelDB's compactions
// do not write those again and again. Numbers are unsigned and big-endian in
// keys; `number` is one byte that says how many bytes follow, then these,
// without leading zeros, so that short ones stay short and all sort by value.
// In values, uv is an unsigned varint.
//
//	'c' bytes:1 consumer number → uv id
//	'e' number last id:8  → flags:1 checksum:4 time:8 position:8 count:2, per event:
//	                        uv positions after the one before, uv bytes, data
//	'k' number key        → sum:16, uv groups, per group: uv id
//	'n' number            → stream
//	'p' position:8        → 'r' or 'd', uv number, uv first id, uv last id
//	's' stream            → uv number, uv last id, uv deleted up to
//	'x' last position:8   → flags:1 time:8 first position:8 uv next number,
//	                        uv bytes, uv runs, per run: uv number, uv first id,
//	                        uv count, uv operations, operations, chain:8
//
// e is a page: count events of a stream, which one commit wrote, up to the last
// id. Their time is one; position is that of the first. The checksum is CRC-32C
// over the key, then all of the value but the checksum itself. Flags are 0, or 1
// where the events were lost and count is all that there is of them (see
// package repair); a reader refuses others. s is a stream's counter, n is its name by the
// number that stands for it in the other keys.
//
// c is a consumer's cursor in a stream; number 0 is the whole store. k is a
// request that had a key: a sum of what it asked for (see key.go of the engine) and
// the last id of each of its groups. p is something that was erased and may still be in
// files, under the position of the operation that erased it: 'd', the events from
// first to last id of a stream; 'r', what the page up to last id held before the
// event first id was replaced. See eraser.go of the engine.
//
// x is a commit, one record for each, under the last position that it took. Its
// runs are in the order of positions: count events of a stream from first id
// on; bytes is their data's. After them come the positions of its operations.
// next number is what the next new stream will be called. chain is CRC-64 (ECMA)
// over the chain of the commit before, the key and all of the value but chain: it
// proves that no commit is missing from the middle. Times are microseconds since
// 1970 and never fall. The operations, each after one byte that tells which:
//
//	'r' uv number, uv id, uv last id of its page             an event was replaced
//	'd' uv number, uv first id, uv last id                   events were deleted
//	'c' uv number, uv id, uv bytes, consumer                a cursor was moved
//	'k' uv number, uv bytes, key, sum:16, uv groups, per group: uv id
//	                                                         a request had a key; it
//	                                                         takes no position
//	'l' uv count, patch:8                                    what took so many positions
//	                                                         was lost; patch makes the
//	                                                         chain go on
//	'o' uv count                                             what took so many positions
//	                                                         is of streams that the store
//	                                                         was made without
//
// Version is the number of this format.
const Version = 1

// maxKey is the size of the largest key made of numbers, in bytes.
const maxKey = 1 + 9 + 8

// Kinds of keys: the first byte of each. KindKey is for requests with a key.
const (
	KindCursor  = 'c'
	KindEvent   = 'e'
	KindKey     = 'k'
	KindName    = 'n'
	KindErasure = 'p'
	KindStream  = 's'
	KindCommit  = 'x'
)

var (
	castagnoli = crc32.MakeTable(crc32.Castagnoli)
	ecma       = crc64.MakeTable(crc64.ECMA)
)

// CRC32C returns the CRC-32C checksum of b, which formats on disk use.
func CRC32C(b []byte) uint32 { return crc32.Checksum(b, castagnoli) }

func appendNumber(b []byte, n uint64) []byte {
	var full [8]byte
	binary.BigEndian.PutUint64(full[:], n)
	skip := 0
	for skip < 8 && full[skip] == 0 {
		skip++
	}
	return append(append(b, byte(8-skip)), full[skip:]...)
}

// AppendStreamKey appends the key of a stream's counter.
func AppendStreamKey(b, name []byte) []byte {
	return append(append(b, KindStream), name...)
}

// StreamKey returns the key of a stream's counter.
func StreamKey(name []byte) []byte { return AppendStreamKey(nil, name) }

// NameKey returns the key of a stream's name, given the stream's number.
func NameKey(number uint64) []byte {
	return appendNumber([]byte{KindName}, number)
}

// AppendEventKey appends the key of a page of a stream's events; id is the last id
// of the page.
func AppendEventKey(b []byte, number, id uint64) []byte {
	return binary.BigEndian.AppendUint64(appendNumber(append(b, KindEvent), number), id)
}

// CommitKey returns the key of a commit, given its last position.
func CommitKey(last uint64) []byte {
	return binary.BigEndian.AppendUint64([]byte{KindCommit}, last)
}

// ErasureKey returns the key of an erasure record, given the position of the
// operation that erased.
func ErasureKey(position uint64) []byte {
	return binary.BigEndian.AppendUint64([]byte{KindErasure}, position)
}

// CursorKey returns the key of a consumer's cursor in a stream, or with number 0 in
// the whole store.
func CursorKey(consumer []byte, number uint64) []byte {
	return appendNumber(append([]byte{KindCursor, byte(len(consumer))}, consumer...), number)
}

// RequestKey returns the key of the record of a request with a key; number is the
// stream of its first group.
func RequestKey(number uint64, key []byte) []byte {
	return append(appendNumber([]byte{KindKey}, number), key...)
}

// KeyNumber returns the last 8 bytes of a key: an id or a position.
func KeyNumber(key []byte) uint64 {
	return binary.BigEndian.Uint64(key[len(key)-8:])
}

// CutNumber cuts a number off what follows the kind in a key, and returns the rest;
// ok is false if there is no number.
func CutNumber(b []byte) (n uint64, rest []byte, ok bool) {
	if len(b) == 0 || b[0] > 8 || len(b) < 1+int(b[0]) {
		return 0, nil, false
	}
	for _, c := range b[1 : 1+b[0]] {
		n = n<<8 | uint64(c)
	}
	return n, b[1+b[0]:], true
}
