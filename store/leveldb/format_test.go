package leveldb

import (
	"bytes"
	"encoding/hex"
	"math"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"

	"gorewind/store/storetest"
)

// TestLayout pins what is on disk, octet by octet.
func TestLayout(t *testing.T) {
	c := commitRecord{last: 5, time: 0x1122, first: 3, nextNumber: 300, runs: []run{{299, 1, 2}, {7, 9, 1}}}
	for name, p := range map[string]struct {
		have []byte
		want string
	}{
		"stream key":  {streamKey([]byte("a\x00")), "73" + "6100"},
		"name key":    {nameKey(300), "6e" + "02012c"},
		"event key":   {appendEventKey(nil, 1, 2), "65" + "0101" + "0000000000000002"},
		"commit key":  {commitKey(258), "78" + "0000000000000102"},
		"counter":     {counter{300, 5, 0}.append(nil), "ac02" + "05" + "00"},
		"event":       {eventRecord{3, 0x1122, []byte("hi")}.append(nil, appendEventKey(nil, 1, 2)), "00" + "0000000000000003" + "0000000000001122" + "72a60732" + "6869"},
		"commit":      {c.append(nil, 42), "00" + "0000000000001122" + "0000000000000003" + "ac02" + "02" + "ab020102" + "070901" + "71580429de297d67"},
		"high water":  {highwater{5, 6}.encode(), "0000000000000005" + "0000000000000006" + "6772776877303031" + "cf3aea99"},
		"empty event": {eventRecord{}.append(nil, appendEventKey(nil, 1, 1)), "00" + "0000000000000000" + "0000000000000000" + "b6e3ef17"},
	} {
		if have := hex.EncodeToString(p.have); have != p.want {
			t.Errorf("%s: want %s, have %s", name, p.want, have)
		}
	}
}

// TestR6KeysSort: keys of numbers sort by number and then by id.
func TestR6KeysSort(t *testing.T) {
	r, _ := storetest.Rand(t)
	type pair struct{ number, id uint64 }
	var pairs []pair
	for range 2000 {
		pairs = append(pairs, pair{r.Uint64() >> r.IntN(64), r.Uint64() >> r.IntN(64)})
	}
	slices.SortFunc(pairs, func(a, b pair) int {
		if a.number != b.number {
			return bytes.Compare(commitKey(a.number), commitKey(b.number))
		}
		return bytes.Compare(commitKey(a.id), commitKey(b.id))
	})
	for i := 1; i < len(pairs); i++ {
		a, b := pairs[i-1], pairs[i]
		if a != b && bytes.Compare(appendEventKey(nil, a.number, a.id), appendEventKey(nil, b.number, b.id)) >= 0 {
			t.Fatalf("%v does not sort before %v", a, b)
		}
	}
	if n := len(appendEventKey(nil, math.MaxUint64, 1)); n != maxKey {
		t.Errorf("want keys of %d octets at most, have %d", maxKey, n)
	}
}

func TestRecordsRoundTrip(t *testing.T) {
	r, _ := storetest.Rand(t)
	for range 500 {
		c := randomCommit(r)
		value := c.append(nil, 7)
		back, err := parseCommit(commitKey(c.last), value)
		if err != nil || !reflect.DeepEqual(back, c) || !back.follows(7, value) || back.follows(8, value) {
			t.Fatalf("want %+v, have %+v, %v", c, back, err)
		}
		for i := range value {
			flipped := bytes.Clone(value)
			flipped[i] ^= 1 << r.IntN(8)
			if got, err := parseCommit(commitKey(c.last), flipped); err == nil && got.follows(7, flipped) {
				t.Fatalf("octet %d changed, and the chain holds", i)
			}
		}
	}
}

func randomCommit(r *rand.Rand) commitRecord {
	c := commitRecord{last: r.Uint64(), time: r.Int64(), first: r.Uint64(), nextNumber: r.Uint64()}
	for range 1 + r.IntN(5) {
		c.runs = append(c.runs, run{r.Uint64(), r.Uint64(), r.Uint64()})
	}
	return c
}

// TestP9EveryBitOfAnEvent: no change of an event, or of its place, is missed.
func TestP9EveryBitOfAnEvent(t *testing.T) {
	key := appendEventKey(nil, 1, 2)
	value := eventRecord{3, 4, []byte("data")}.append(nil, key)
	if _, err := parseEvent(key, value); err != nil {
		t.Fatal(err)
	}
	for i := range value {
		for bit := range 8 {
			flipped := bytes.Clone(value)
			flipped[i] ^= 1 << bit
			if _, err := parseEvent(key, flipped); err == nil {
				t.Errorf("bit %d of octet %d changed unseen", bit, i)
			}
		}
		if _, err := parseEvent(key, value[:i]); err == nil {
			t.Errorf("cut to %d octets unseen", i)
		}
	}
	if _, err := parseEvent(appendEventKey(nil, 1, 3), value); err == nil {
		t.Error("an event under another id unseen")
	}
}

func FuzzRecords(f *testing.F) {
	f.Add(counter{1, 2, 0}.append(nil))
	f.Add(eventRecord{1, 2, nil}.append(nil, appendEventKey(nil, 1, 1)))
	f.Add((&commitRecord{runs: []run{{1, 2, 3}}}).append(nil, 0))
	f.Fuzz(func(t *testing.T, b []byte) {
		parseCounter(b)
		parseEvent(nil, b)
		parseCommit(commitKey(1), b)
		parseHighwater(b)
	})
}
