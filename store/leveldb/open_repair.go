package leveldb

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"gorewind/store/leveldb/internal/datadir"
	"gorewind/store/leveldb/repair"
)

// repairOnOpen repairs the database if that loses nothing. Otherwise it returns an
// error that says what would be lost.
func (d *DB) repairOnOpen(least datadir.Highwater, cause error) error {
	d.log.Warn("the database is damaged; checking whether it can be repaired without loss", "cause", cause)
	var told time.Time
	keptAt, left, err := repair.Lossless(d.disk, d.identity, least, func(what string, done, of int) {
		if time.Since(told) > 5*time.Second {
			told = time.Now()
			d.log.Info("repairing the database", "now", what, "percent", 100*done/max(of, 1))
			if d.progress != nil {
				d.progress(what, done, of)
			}
		}
	})
	switch {
	case err != nil:
		return errors.Join(cause, err)
	case keptAt == "":
		return &DamagedError{Cause: cause, Lost: left}
	}
	d.log.Warn("the database is repaired and no acknowledged data is lost; remove the damaged copy when you no longer need it", "kept", keptAt)
	return nil
}

// A DamagedError says why a damaged store is not opened: a repair would lose data.
type DamagedError struct {
	Cause error // the damage found first
	Lost  repair.Report
}

// Error tells everything in one line.
func (e *DamagedError) Error() string {
	text := e.Cause.Error()
	for _, piece := range e.Pieces() {
		text += "; " + piece
	}
	return text
}

// Unwrap returns the cause.
func (e *DamagedError) Unwrap() error { return e.Cause }

// Pieces lists what a repair would lose, except what Cause already says.
func (e *DamagedError) Pieces() (pieces []string) {
	for _, lost := range e.Lost.Damage {
		if !strings.Contains(e.Cause.Error(), lost.String()) {
			pieces = append(pieces, lost.String())
		}
	}
	if more := e.Lost.Damaged - len(e.Lost.Damage); more > 0 {
		pieces = append(pieces, fmt.Sprintf("and %d more", more))
	}
	return pieces
}
