package exit

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"gorewind/store"
	"gorewind/store/leveldb"
	"gorewind/store/leveldb/repair"
)

func TestFail(t *testing.T) {
	damaged := &leveldb.DamagedError{
		Cause: fmt.Errorf("%w: the commit at position 9 is missing", store.ErrDamaged),
		Lost: repair.Report{Damaged: 22, Damage: []repair.Damage{
			{What: "the commit at position 9 is missing"}, // told already
			{Stream: []byte("a"), First: 1, Last: 2, What: "gone; for good"},
		}},
	}
	for _, c := range []struct {
		err  error
		want string
	}{
		{errors.New("short"), "gorewind: short\n"},
		{errors.Join(errors.New("one"), errors.New("two")), "gorewind: one; two\n"},
		{errors.New("a daemon's \x1b]0;title\a, C:\\ ü and \xff"), "gorewind: a daemon's \\x1b]0;title\\x07, C:\\ ü and \\xff\n"},
		{fmt.Errorf("data directory: open store x: %w; restore a backup", damaged), `gorewind: data directory: open store x: damaged: the commit at position 9 is missing
  lost: stream "a", events 1 to 2: gone; for good
  lost: and 20 more
  restore a backup
`},
	} {
		var b strings.Builder
		if status := Fail(&b, Failure, c.err); status != Failure || b.String() != c.want {
			t.Errorf("status %d, want\n%shave\n%s", status, c.want, b.String())
		}
	}
}
