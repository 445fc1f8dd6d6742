package advice

import (
	"errors"
	"fmt"
	"strings"
	"syscall"
	"testing"

	"gorewind/store"
)

// TestAdviceOnDamage: it says that nothing was changed, and what to do.
func TestAdviceOnDamage(t *testing.T) {
	const want = "data directory: open store x: damaged; nothing was changed; restore a backup, or run gorewind repair, which says what can be repaired without one"
	if have := ForData(fmt.Errorf("open store x: %w", store.ErrDamaged)).Error(); have != want {
		t.Errorf("want %q, have %q", want, have)
	}
}

// TestAdviceOnAFullDisk: there is nothing to restore where a repair had no room.
func TestAdviceOnAFullDisk(t *testing.T) {
	for _, err := range []error{
		fmt.Errorf("repair store x: %w", syscall.ENOSPC),
		errors.Join(store.ErrDamaged, syscall.EDQUOT),
		fmt.Errorf("%w: %w", store.ErrUnavailable, store.ErrFull),
	} {
		if have := ForData(err).Error(); !strings.HasSuffix(have, "; free space on its disk, then try again") {
			t.Errorf("%v: have %q", err, have)
		}
	}
}
