package leveldb

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"gorewind/store/leveldb/internal/datadir"
	"gorewind/store/leveldb/repair"
)

// recover repairs the database when it is opened, if nothing is missing then, and
// otherwise returns an error that says what is.
func (d *DB) recover(least datadir.Highwater, cause error) error {
	d.log.Warn("the database is damaged; looking whether it can be repaired without loss", "cause", cause)
	var told time.Time
	aside, left, err := repair.Lossless(d.disk, d.identity, least, func(what string, done, of int) {
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
	case aside == "":
		return &Irreparable{Cause: cause, Lost: left}
	}
	d.log.Warn("the database is repaired, nothing acknowledged is missing; the damaged one is kept until somebody removes it", "kept", aside)
	return nil
}

// An Irreparable is why a damaged store is not opened: something would be lost by
// its repair.
type Irreparable struct {
	Cause error // what was found first
	Lost  repair.Report
}

// Error tells all of it in one line.
func (i *Irreparable) Error() string {
	text := i.Cause.Error()
	for _, piece := range i.Pieces() {
		text += "; " + piece
	}
	return text
}

// Unwrap returns the cause.
func (i *Irreparable) Unwrap() error { return i.Cause }

// Pieces tells what would be lost, save what the cause tells.
func (i *Irreparable) Pieces() (pieces []string) {
	for _, lost := range i.Lost.Damage {
		if !strings.Contains(i.Cause.Error(), lost.String()) {
			pieces = append(pieces, lost.String())
		}
	}
	if more := i.Lost.Damaged - len(i.Lost.Damage); more > 0 {
		pieces = append(pieces, fmt.Sprintf("and %d more", more))
	}
	return pieces
}
