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

// crcForm is how a line ends.
const crcForm = `,"crc":"%08x"}` + "\n"

// A tally is what of an export is summed up in its lines and its trailer, by who
// writes it and by who reads it.
type tally struct {
	sum   uint32 // of the lines so far
	sha   hash.Hash
	lines int64
	bytes int64 // of the text
	count Trailer
	there uint64 // events that the commit appended which is not taken up yet
}

func newTally() tally { return tally{sha: sha256.New()} }

// ending returns how a line has to end that begins with text.
func (t *tally) ending(text []byte) string {
	t.sum = crc32.Update(t.sum, castagnoli, text)
	return fmt.Sprintf(crcForm, t.sum)
}

// trailerBegin is how the last line begins. It is not part of what it sums up.
const trailerBegin = `{"end":`

// line takes up a whole line.
func (t *tally) line(whole []byte) {
	if !bytes.HasPrefix(whole, []byte(trailerBegin)) {
		t.sha.Write(whole)
	}
	t.lines++
	t.bytes += int64(len(whole))
}

// event takes up an event of a commit.
func (t *tally) event(of *store.Entry, e *store.Event) {
	if e.Position >= of.First {
		t.count.Events++
		t.count.Bytes += uint64(len(e.Data))
		t.there++
	}
}

// commit takes up a commit with the events since the one before. It is false if there
// are more than it had.
func (t *tally) commit(e *store.Entry, lost []Lost) bool {
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

// trailer returns that of an export which ends here.
func (t *tally) trailer(end uint64) Trailer {
	n := t.count
	n.End, n.SHA256 = max(n.End, end), hex.EncodeToString(t.sha.Sum(nil))
	return n
}

// begin takes up the header.
func (t *tally) begin(h *Header) { t.count.End = h.After }
