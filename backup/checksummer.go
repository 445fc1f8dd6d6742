package backup

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"hash/crc32"

	"gorewind/store"
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// crcForm is the end of a line.
const crcForm = `,"crc":"%08x"}` + "\n"

// A checksummer computes the checksums and totals of an export, for its writer and
// for its reader.
type checksummer struct {
	sum   uint32 // of the lines so far
	sha   hash.Hash
	lines int64
	bytes int64 // of the text
	count Trailer
	there uint64 // events appended by the commit in progress
}

func newChecksummer() checksummer { return checksummer{sha: sha256.New()} }

// ending returns how a line that begins with text has to end.
func (t *checksummer) ending(text []byte) string {
	t.sum = crc32.Update(t.sum, castagnoli, text)
	return fmt.Sprintf(crcForm, t.sum)
}

// trailerBegin begins the last line, which its own checksum does not cover.
const trailerBegin = `{"end":`

// line adds a whole line.
func (t *checksummer) line(whole []byte) {
	if !bytes.HasPrefix(whole, []byte(trailerBegin)) {
		t.sha.Write(whole)
	}
	t.lines++
	t.bytes += int64(len(whole))
}

// event adds an event of a commit.
func (t *checksummer) event(of *store.Entry, e *store.Event) {
	if e.Position >= of.First {
		t.count.Events++
		t.count.Bytes += uint64(len(e.Data))
		t.there++
	}
}

// commit adds a commit with the events since the one before. It returns false if
// there are more events than the commit had.
func (t *checksummer) commit(e *store.Entry, lost []Lost) bool {
	n := &t.count
	n.End, n.Chain = e.Position, chain(e.Chain)
	n.Commits++
	had := t.there
	for _, l := range lost {
		had += l.Last - l.First + 1
		n.Lost += l.Last - l.First + 1
	}
	appended := e.Events()
	n.Erased += appended - had
	t.there = 0
	return had <= appended
}

// trailer returns the trailer of an export that ends here.
func (t *checksummer) trailer(end uint64) Trailer {
	n := t.count
	n.End, n.SHA256 = max(n.End, end), hex.EncodeToString(t.sha.Sum(nil))
	return n
}

// begin adds the header.
func (t *checksummer) begin(h *Header) { t.count.End = h.After }
