package leveldb

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/syndtr/goleveldb/leveldb"

	"gorewind/store"
	"gorewind/store/leveldb/internal/ldb"
	"gorewind/store/leveldb/internal/record"
)

// sumOf returns the fingerprint of a request with a key, which tells it from
// another request under that key. It is keyed with a secret: whoever finds a
// fingerprint without the secret cannot guess from it the data of erased events.
func sumOf(secret []byte, req *store.Append) []byte {
	h := hmac.New(sha256.New, secret)
	var scratch []byte
	hashBytes := func(b []byte) {
		scratch = binary.AppendUvarint(scratch[:0], uint64(len(b)))
		h.Write(scratch)
		h.Write(b)
	}
	for _, g := range req.Groups {
		hashBytes(g.Stream)
		scratch = append(scratch[:0], 0)
		if g.Expected.Given {
			scratch[0] = 1
		}
		scratch = binary.AppendUvarint(scratch, g.Expected.N)
		scratch = binary.AppendUvarint(scratch, uint64(len(g.Events)))
		h.Write(scratch)
		for _, e := range g.Events {
			hashBytes(e)
		}
	}
	return h.Sum(nil)[:record.SumSize]
}

// remembered returns the fingerprint and ids stored under a key of a stream; sum is
// nil if there are none.
func (c *commit) remembered(db *leveldb.DB, number uint64, key []byte) (sum []byte, ids []uint64, err error) {
	k := record.RequestKey(number, key)
	if i, ok := c.keys[string(k)]; ok {
		o := &c.record.Operations[i]
		return o.Sum, o.IDs, nil
	}
	value, err := db.Get(k, nil)
	if errors.Is(err, leveldb.ErrNotFound) {
		return nil, nil, nil
	}
	if err != nil {
		return nil, nil, ldb.Fault(fmt.Sprintf("key %x of the stream number %d", key, number), err)
	}
	sum, ids, ok := record.ParseRequest(value)
	if !ok {
		return nil, nil, fmt.Errorf("%w: key %x of the stream number %d", store.ErrDamaged, key, number)
	}
	return sum, ids, nil
}

// repeated reports whether a request with a key was stored before, and sets ids to
// its answer.
func (d *DB) repeated(c *commit, req *store.Append, sum []byte, ids []uint64) (bool, error) {
	s, err := c.touch(&d.streams, d.db, req.Groups[0].Stream)
	if err != nil || s.after.Number == 0 {
		return false, err
	}
	before, stored, err := c.remembered(d.db, s.after.Number, req.Key)
	switch {
	case err != nil || before == nil:
		return false, err
	case !bytes.Equal(before, sum) || len(stored) != len(ids):
		return false, fmt.Errorf("%w: the stream %+q has another request under the key %+q", store.ErrKeyReused, req.Groups[0].Stream, req.Key)
	}
	copy(ids, stored)
	return true, nil
}

// remember stores the fingerprint and answer of a request under its key.
func (c *commit) remember(number uint64, key, sum []byte, ids []uint64) {
	k := record.RequestKey(number, key)
	c.keys[string(k)] = len(c.record.Operations)
	c.record.Operations = append(c.record.Operations, record.Operation{Kind: record.OpKey, Number: number, Name: key, Sum: sum, IDs: ids})
	c.batch.Put(k, record.AppendRequest(nil, sum, ids))
}
