package main

import (
	"errors"
	"fmt"
	"strings"
	"syscall"
	"testing"

	"gorewind/store"
	"gorewind/store/leveldb"
)

func TestFail(t *testing.T) {
	damaged := &leveldb.Irreparable{
		Cause: fmt.Errorf("%w: the commit at position 9 is missing", store.ErrDamaged),
		Lost: leveldb.Report{Damaged: 22, Damage: []leveldb.Damage{
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
		{advise(fmt.Errorf("open store x: %w", damaged)), `gorewind: data directory: open store x: damaged: the commit at position 9 is missing
  lost: stream "a", events 1 to 2: gone; for good
  lost: and 20 more
  nothing was changed; restore a backup, or see with gorewind repair what can be had without one
`},
	} {
		var b strings.Builder
		if status := fail(&b, exitFailure, c.err); status != exitFailure || b.String() != c.want {
			t.Errorf("status %d, want\n%shave\n%s", status, c.want, b.String())
		}
	}
}

// TestAdviceOnAFullDisk: there is nothing to restore where a repair had no room.
func TestAdviceOnAFullDisk(t *testing.T) {
	for _, err := range []error{
		fmt.Errorf("repair store x: %w", syscall.ENOSPC),
		errors.Join(store.ErrDamaged, syscall.EDQUOT),
		fmt.Errorf("%w: %w", store.ErrUnavailable, store.ErrFull),
	} {
		if have := advise(err).Error(); !strings.HasSuffix(have, "; make room on its disk, then try again") {
			t.Errorf("%v: have %q", err, have)
		}
	}
}
