package term

import (
	"testing"

	"gorewind/backup"
)

// TestUnits: they are those of package backup, which tells how far it is.
func TestUnits(t *testing.T) {
	if byteUnit != backup.Bytes || positionUnit != backup.Positions {
		t.Errorf("have %q and %q", byteUnit, positionUnit)
	}
}
