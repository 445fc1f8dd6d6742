package leveldb

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/syndtr/goleveldb/leveldb"

	"gorewind/store"
	"gorewind/store/leveldb/internal/fixture"
	"gorewind/store/leveldb/internal/record"
	"gorewind/store/leveldb/repair"
	"gorewind/store/storetest"
)

// readOn reads a range, and continues behind damage. It returns the positions of
// the events, and how often it had to continue.
func readOn(t *testing.T, d *DB, r store.Range) (positions []uint64, gaps int) {
	t.Helper()
	for again := true; again; {
		again = false
		for e, err := range d.Read(t.Context(), r) {
			var lost *store.Lost
			switch {
			case errors.As(err, &lost) && errors.Is(err, store.ErrDamaged):
				if again = lost.After > r.After.N; !again {
					t.Fatalf("it does not go on after %d: %v", lost.After, err)
				}
				r.After, r.Nearest = store.Some(lost.After), true
				gaps++
			case err != nil:
				t.Fatal(err)
			default:
				positions = append(positions, e.Position)
			}
		}
	}
	return positions, gaps
}

// TestReadGoesOnBehindDamage: a Read yields everything before the damage, and says
// where to continue behind it. An error once took the events that were read with
// it, and a selection ended for ever at the first lost event.
func TestReadGoesOnBehindDamage(t *testing.T) {
	for _, fill := range []int{0, 2 * store.MaxCommitEvents} { // then few of many streams are merged
		for _, repaired := range []bool{false, true} {
			t.Run(fmt.Sprintf("%d more events, repaired %v", fill, repaired), func(t *testing.T) {
				dir := t.TempDir()
				d := mustOpen(t, dir, Options{})
				first := uint64(fill)
				for range fill / store.MaxCommitEvents {
					storetest.Append(t, d, "fill", slices.Repeat([]string{""}, store.MaxCommitEvents)...)
				}
				var want []uint64
				for i := range uint64(40) {
					position := first + 5*i
					storetest.Append(t, d, fmt.Sprint("s/", i%2), "1", "2", "3", "4", "5")
					for n := range uint64(5) {
						if i != 10 && i != 12 && i != 20 {
							want = append(want, position+n+1)
						}
					}
				}
				if err := d.Close(); err != nil {
					t.Fatal(err)
				}
				fixture.Change(t, dir, func(db *leveldb.DB) error {
					number := min(first, 1) + 1
					var lost leveldb.Batch
					for _, last := range []uint64{30, 35, 55} { // of s/0: i is 10, 12 and 20
						lost.Delete(record.AppendEventKey(nil, number, last))
					}
					return db.Write(&lost, nil)
				})
				if repaired {
					if done := fixture.MustRepair(t, dir, repair.Options{AcceptLoss: true}); done.Left.Damaged == 0 {
						t.Error("nothing was lost")
					}
				}
				d = mustOpen(t, dir, Options{})
				defer d.Close()
				for _, r := range []store.Range{{Stream: []byte("s/0")}, {Select: store.Prefix([]byte("s"))}} {
					var err error
					for _, failed := range d.Read(t.Context(), r) {
						err = failed
					}
					if !errors.Is(err, store.ErrDamaged) || errors.Is(err, store.ErrAccepted) != repaired {
						t.Errorf("want an accepted loss: %v, have %v", repaired, err)
					}
				}
				have, gaps := readOn(t, d, store.Range{Select: store.Prefix([]byte("s/"))})
				if !slices.Equal(have, want) || gaps != 3 {
					t.Errorf("selection: want %v, have %v and %d gaps", want, have, gaps)
				}
				single, gaps := readOn(t, d, store.Range{Stream: []byte("s/0")})
				want = slices.DeleteFunc(want, func(p uint64) bool { return (p-first-1)/5%2 == 1 })
				if !slices.Equal(single, want) || gaps != 2 {
					t.Errorf("stream: want %v, have %v and %d gaps", want, single, gaps)
				}
			})
		}
	}
}

// TestLostCommitIsTold: a selection once skipped commits that were lost with their
// events, without an error.
func TestLostCommitIsTold(t *testing.T) {
	dir := writeVerified(t)
	fixture.Change(t, dir, func(db *leveldb.DB) error {
		return errors.Join(db.Delete(record.CommitKey(6), nil), db.Delete(record.AppendEventKey(nil, 1, 4), nil))
	})
	fixture.MustRepair(t, dir, repair.Options{AcceptLoss: true})
	d := mustOpen(t, dir, Options{})
	defer d.Close()
	want := []uint64{1, 2, 3, 5, 9}
	if have, gaps := readOn(t, d, store.Range{Select: store.Prefix(nil)}); !slices.Equal(have, want) || gaps != 1 {
		t.Errorf("want %v and a loss, have %v and %d gaps", want, have, gaps)
	}
}
