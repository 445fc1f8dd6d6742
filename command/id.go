package command

import (
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"

	"gorewind/client"
	"gorewind/wire"
)

// id is an id or a position on the command line: a decimal number, 0x and a hex number, or the
// 16 hex digits of the protocol's errors. 16 digits are hex, never decimal: no id has 16
// decimal digits in the lifetime of a store.
type id uint64

// UnmarshalText implements encoding.TextUnmarshaler.
func (i *id) UnmarshalText(text []byte) error {
	s := string(text)
	if len(s) == 2*wire.IDSize {
		if b, err := hex.DecodeString(s); err == nil {
			n, _ := wire.ParseID(b)
			*i = id(n)
			return nil
		}
	}
	digits, base := s, 10
	if after, ok := strings.CutPrefix(s, "0x"); ok {
		digits, base = after, 16
	}
	n, err := strconv.ParseUint(digits, base, 64)
	if err != nil {
		return fmt.Errorf("%q is not a valid id; give a decimal number such as 17, or a hex one such as 0x11", s)
	}
	*i = id(n)
	return nil
}

// bound returns the id as a bound, none for nil.
func (i *id) bound() client.Bound {
	if i == nil {
		return client.Bound{}
	}
	return client.Some(uint64(*i))
}

// expectation is the expected id of a stream's last event; 0 if the stream must be empty.
type expectation struct{ id }

// UnmarshalText implements encoding.TextUnmarshaler.
func (e *expectation) UnmarshalText(text []byte) error {
	if string(text) == "empty" {
		e.id = 0
		return nil
	}
	if err := e.id.UnmarshalText(text); err != nil {
		return fmt.Errorf("%w, or the word empty", err)
	}
	return nil
}

// bound returns the expected id as a bound, none for nil.
func (e *expectation) bound() client.Bound {
	if e == nil {
		return client.Bound{}
	}
	return e.id.bound()
}
