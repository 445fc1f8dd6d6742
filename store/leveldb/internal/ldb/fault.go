package ldb

import (
	"errors"
	"fmt"
	"syscall"

	ldberrors "github.com/syndtr/goleveldb/leveldb/errors"

	"gorewind/store"
)

// Fault classifies an error of LevelDB. If the system refused something, the store
// is unavailable; otherwise, or if a file is gone, it is damaged.
func Fault(what string, err error) error {
	var errno syscall.Errno
	if errors.As(err, &errno) && errno != syscall.ENOENT {
		return fmt.Errorf("%w: %s: %w", store.ErrUnavailable, what, err)
	}
	return fmt.Errorf("%w: %s: %w", store.ErrDamaged, what, err)
}

// IsDamage reports whether an error means that stored data is damaged, and not that
// the disk fails just now.
func IsDamage(err error) bool {
	var corrupted *ldberrors.ErrCorrupted
	return !errors.Is(err, store.ErrUnavailable) && (errors.Is(err, store.ErrDamaged) || errors.As(err, &corrupted))
}

// WithFull makes the error of a full disk an ErrFull.
func WithFull(err error) error {
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return fmt.Errorf("%w: %w", store.ErrFull, err)
	}
	return err
}
