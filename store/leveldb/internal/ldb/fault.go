package ldb

import (
	"errors"
	"fmt"
	"syscall"

	ldberrors "github.com/syndtr/goleveldb/leveldb/errors"

	"gorewind/store"
)

// Fault says what an error of LevelDB means: where the system refused, the store
// cannot be used now; otherwise, or where a file is gone, it is damaged.
func Fault(what string, err error) error {
	var errno syscall.Errno
	if errors.As(err, &errno) && errno != syscall.ENOENT {
		return fmt.Errorf("%w: %s: %w", store.ErrUnavailable, what, err)
	}
	return fmt.Errorf("%w: %s: %w", store.ErrDamaged, what, err)
}

// IsDamage reports whether an error tells of damage to what is stored, and not of a
// disk that does not work just now.
func IsDamage(err error) bool {
	var corrupted *ldberrors.ErrCorrupted
	return !errors.Is(err, store.ErrUnavailable) && (errors.Is(err, store.ErrDamaged) || errors.As(err, &corrupted))
}

// WithFull makes an error of a full disk an ErrFull.
func WithFull(err error) error {
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return fmt.Errorf("%w: %w", store.ErrFull, err)
	}
	return err
}
