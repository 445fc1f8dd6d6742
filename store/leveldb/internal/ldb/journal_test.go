package ldb

import (
	"bytes"
	"testing"

	"github.com/syndtr/goleveldb/leveldb/storage"
)

func TestJournalEnd(t *testing.T) {
	room := make([]byte, 3*journalBlock+5)
	written := func(at ...int) []byte {
		b := bytes.Clone(room)
		for _, i := range at {
			b[i] = 1
		}
		return b
	}
	for name, c := range map[string]struct {
		file []byte
		want int64
	}{
		"empty":                  {nil, 0},
		"all room":               {room, 0},
		"one block":              {written(6), journalBlock},
		"two blocks":             {written(0, journalBlock), 2 * journalBlock},
		"one lost in a crash":    {written(0, 2*journalBlock), 3 * journalBlock},
		"the cut one at the end": {written(3 * journalBlock), 3*journalBlock + 5},
		"cut within a head":      {[]byte{0, 0, 1}, 3},
	} {
		mem := storage.NewMemStorage()
		fd := storage.FileDesc{Type: storage.TypeJournal, Num: 1}
		w, err := mem.Create(fd)
		if err != nil {
			t.Fatal(err)
		}
		w.Write(c.file)
		w.Close()
		r, err := mem.Open(fd)
		if err != nil {
			t.Fatal(err)
		}
		if have, err := journalEnd(r); have != c.want || err != nil {
			t.Errorf("%s: want %d, have %d, %v", name, c.want, have, err)
		}
		r.Close()
	}
}
