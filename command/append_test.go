package command

import (
	"testing"

	"gorewind/client"
)

// TestExpectationOfADocument: 16 digits are hex on the command line, and decimal in JSON, which
// has no hex.
func TestExpectationOfADocument(t *testing.T) {
	for text, want := range map[string]client.Bound{
		`1000000000000000`:   client.Some(1_000_000_000_000_000),
		`"0000000000000011"`: client.Some(0x11),
		`"empty"`:            client.Some(0),
		`7`:                  client.Some(7),
	} {
		if have, err := parseExpectation([]byte(text)); err != nil || have != want {
			t.Errorf("%s: want %v, have %v, %v", text, want, have, err)
		}
	}
	for _, text := range []string{"-1", "1.5", "null", "true", `""`} {
		if have, err := parseExpectation([]byte(text)); err == nil {
			t.Errorf("%s: have %v", text, have)
		}
	}
}
