package command

import (
	"fmt"

	"gorewind/wire"
)

// separator holds the flag with the separator of patterns.
type separator struct {
	Separator string `env:"-" placeholder:"BYTE" help:"Byte that separates the parts of names in patterns. Default: /."`
}

// checkSeparator refuses more than one byte.
func (s *separator) checkSeparator() error {
	if len(s.Separator) > 1 {
		return fmt.Errorf("--separator has %d bytes; give a single one", len(s.Separator))
	}
	return nil
}

// separates returns the byte that separates.
func (s *separator) separates() byte {
	if s.Separator == "" {
		return wire.DefaultSeparator
	}
	return s.Separator[0]
}
