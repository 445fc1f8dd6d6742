package config

import (
	"testing"
)

func TestNearest(t *testing.T) {
	names := []string{"data-dir", "pub", "router", "max-event-bytes"}
	for misspelt, want := range map[string]string{
		"data-dri": "data-dir", "datadir": "data-dir", "routers": "router", "max-events-byte": "max-event-bytes", "frobnicate": "", "x": "", "": "",
	} {
		if have, ok := nearest(misspelt, names); have != want || ok != (want != "") {
			t.Errorf("%q: want %q, have %q", misspelt, want, have)
		}
	}
}
