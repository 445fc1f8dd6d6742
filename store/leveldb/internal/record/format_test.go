package record

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"math"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"

	"gorewind/store/storetest"
)

// TestLayout pins what is on disk, byte by byte.
func TestLayout(t *testing.T) {
	sum := []byte("0123456789abcdef")
	c := Commit{Last: 5, Time: 0x1122, First: 3, NextNumber: 300, Bytes: 6, Runs: []Run{{299, 1, 2}, {7, 9, 1}}, Operations: []Operation{
		{Kind: OpReplace, Number: 1, ID: 2, Page: 3}, {Kind: OpDelete, Number: 1, First: 2, ID: 3},
		{Kind: OpCursor, Number: 0, ID: 4, Name: []byte("me")}, {Kind: OpKey, Number: 7, Name: []byte("k"), Sum: sum, IDs: []uint64{1, 9}},
	}}
	for name, p := range map[string]struct {
		have []byte
		want string
	}{
		"stream key":  {StreamKey([]byte("a\x00")), "73" + "6100"},
		"name key":    {NameKey(300), "6e" + "02012c"},
		"event key":   {AppendEventKey(nil, 1, 2), "65" + "0101" + "0000000000000002"},
		"commit key":  {CommitKey(258), "78" + "0000000000000102"},
		"cursor key":  {CursorKey([]byte("me"), 300), "63" + "02" + "6d65" + "02012c"},
		"whole store": {CursorKey([]byte("me"), 0), "63" + "02" + "6d65" + "00"},
		"key key":     {RequestKey(300, []byte("k")), "6b" + "02012c" + "6b"},
		"request":     {AppendRequest(nil, sum, []uint64{1, 300}), "30313233343536373839616263646566" + "02" + "01" + "ac02"},
		"erasure key": {ErasureKey(258), "70" + "0000000000000102"},
		"erasure":     {(&Erasure{Kind: OpDelete, Number: 300, First: 1, Last: 2}).Append(nil), "64" + "ac02" + "01" + "02"},
		"counter":     {Counter{300, 5, 0}.Append(nil), "ac02" + "05" + "00"},
		"page":        {encodePage(1, 2, 0x1122, placed{3, "hi"}, placed{300, "you"}), "00" + "86923e39" + "0000000000001122" + "0000000000000003" + "0002" + "0002" + "6869" + "a902" + "03" + "796f75"},
		"commit": {c.Append(nil, 42), "00" + "0000000000001122" + "0000000000000003" + "ac02" + "06" + "02" + "ab020102" + "070901" +
			"04" + "72010203" + "64010203" + "630004026d65" + "6b07016b3031323334353637383961626364656602" + "0109" + "842cfe2e8f42e715"},
		"empty event": {encodePage(1, 1, 0, placed{}), "00" + "27e9642b" + "0000000000000000" + "0000000000000000" + "0001" + "0000"},
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
			return bytes.Compare(CommitKey(a.number), CommitKey(b.number))
		}
		return bytes.Compare(CommitKey(a.id), CommitKey(b.id))
	})
	for i := 1; i < len(pairs); i++ {
		a, b := pairs[i-1], pairs[i]
		if a != b && bytes.Compare(AppendEventKey(nil, a.number, a.id), AppendEventKey(nil, b.number, b.id)) >= 0 {
			t.Fatalf("%v does not sort before %v", a, b)
		}
	}
	if n := len(AppendEventKey(nil, math.MaxUint64, 1)); n != maxKey {
		t.Errorf("want keys of %d bytes at most, have %d", maxKey, n)
	}
}

func TestRecordsRoundTrip(t *testing.T) {
	r, _ := storetest.Rand(t)
	for range 500 {
		c := randomCommit(r)
		value := c.Append(nil, 7)
		var back Commit
		err := back.Parse(CommitKey(c.Last), value)
		if err != nil || !reflect.DeepEqual(back, c) || !back.Follows(7, value) || back.Follows(8, value) {
			t.Fatalf("want %+v, have %+v, %v", c, back, err)
		}
		for i := range value {
			flipped := bytes.Clone(value)
			flipped[i] ^= 1 << r.IntN(8)
			var got Commit
			if err := got.Parse(CommitKey(c.Last), flipped); err == nil && got.Follows(7, flipped) {
				t.Fatalf("byte %d changed, and the chain holds", i)
			}
		}
	}
}

func randomCommit(r *rand.Rand) Commit {
	c := Commit{Last: r.Uint64(), Time: r.Int64(), First: r.Uint64(), NextNumber: r.Uint64()}
	for range 1 + r.IntN(5) {
		c.Runs = append(c.Runs, Run{r.Uint64(), r.Uint64(), r.Uint64()})
	}
	for range 1 + r.IntN(5) {
		c.Operations = append(c.Operations, randomOperation(r))
	}
	return c
}

func randomOperation(r *rand.Rand) Operation {
	name := make([]byte, 1+r.IntN(255))
	switch o := (Operation{Number: r.Uint64(), ID: r.Uint64()}); r.IntN(4) {
	case 0:
		o.Kind, o.Page = OpReplace, r.Uint64()
		return o
	case 1:
		o.Kind, o.First = OpDelete, r.Uint64()
		return o
	case 2:
		o.Kind, o.Name = OpCursor, name
		return o
	default:
		o.Kind, o.ID, o.Name, o.Sum, o.IDs = OpKey, 0, name, make([]byte, SumSize), []uint64{r.Uint64()}
		return o
	}
}

// placed is an event in a page.
type placed struct {
	position uint64
	data     string
}

// encodePage returns a page of the stream number, its last event having the id last.
func encodePage(number, last uint64, time int64, events ...placed) []byte {
	var w PageWriter
	for _, e := range events {
		w.Add(e.position, time, []byte(e.data))
	}
	return w.End(AppendEventKey(nil, number, last))
}

// TestP9EveryBitOfAPage: no change of events, or of their place, is missed.
func TestP9EveryBitOfAPage(t *testing.T) {
	key := AppendEventKey(nil, 1, 2)
	value := encodePage(1, 2, 4, placed{3, "data"}, placed{5, ""})
	if _, err := ParsePage(key, value); err != nil {
		t.Fatal(err)
	}
	for i := range value {
		for bit := range 8 {
			flipped := bytes.Clone(value)
			flipped[i] ^= 1 << bit
			if _, err := ParsePage(key, flipped); err == nil {
				t.Errorf("bit %d of byte %d changed unseen", bit, i)
			}
		}
		if _, err := ParsePage(key, value[:i]); err == nil {
			t.Errorf("cut to %d bytes unseen", i)
		}
	}
	if _, err := ParsePage(AppendEventKey(nil, 1, 3), value); err == nil {
		t.Error("events under other ids unseen")
	}
}

func TestPagesRoundTrip(t *testing.T) {
	r, _ := storetest.Rand(t)
	for range 500 {
		var events []placed
		position := r.Uint64N(1 << 40)
		for range 1 + r.IntN(50) {
			position += 1 + r.Uint64N(1<<r.IntN(20))
			events = append(events, placed{position, strings.Repeat("x", r.IntN(300))})
		}
		last := uint64(len(events)) + r.Uint64N(1000)
		p, err := ParsePage(AppendEventKey(nil, 7, last), encodePage(7, last, 99, events...))
		if err != nil || p.Time != 99 || p.Left != uint64(len(events)) {
			t.Fatalf("have %+v, %v", p, err)
		}
		id := last - p.Left
		for _, want := range events {
			id++
			if have, position, data, err := p.Next(); have != id || position != want.position || string(data) != want.data || err != nil {
				t.Fatalf("want %d %+v, have %d %d %q %v", id, want, have, position, data, err)
			}
		}
		if p.Left != 0 || len(p.d.b) > 0 {
			t.Fatalf("left: %+v", p)
		}
	}
}

func FuzzRecords(f *testing.F) {
	f.Add(Counter{1, 2, 0}.Append(nil))
	f.Add(encodePage(1, 1, 2, placed{1, ""}, placed{2, "x"}))
	f.Add((&Commit{Runs: []Run{{1, 2, 3}}, Operations: []Operation{{Kind: OpCursor, Name: []byte("x")}}}).Append(nil, 0))
	f.Fuzz(func(t *testing.T, b []byte) {
		ParseCounter(b)
		fuzzPage(b)
		new(Commit).Parse(CommitKey(1), b)
		ParseErasure(ErasureKey(1), b)
	})
}

// fuzzPage reads a page whose checksum is right whatever it holds.
func fuzzPage(b []byte) {
	key := AppendEventKey(nil, 1, 100)
	if len(b) >= pageHeader {
		b = bytes.Clone(b)
		binary.BigEndian.PutUint32(b[1:], pageSum(key, b))
	}
	p, err := ParsePage(key, b)
	for err == nil && p.Left > 0 {
		_, _, _, err = p.Next()
	}
}
