package server

import (
	"bytes"
	"fmt"
	"log/slog"
	"testing"

	"gorewind/store"
	"gorewind/wire"
)

// TestAcceptedLossIsNotLogged: before, a loss that somebody had accepted was logged as
// damage on each read.
func TestAcceptedLossIsNotLogged(t *testing.T) {
	for _, c := range []struct {
		err    error
		logged bool
	}{
		{fmt.Errorf("%w: event 7", store.ErrDamaged), true},
		{fmt.Errorf("%w: event 7", store.ErrAccepted), false},
	} {
		var log bytes.Buffer
		l := &loop{log: slog.New(slog.NewTextHandler(&log, nil))}
		e := l.explain(&store.Lost{After: 7, Err: c.err})
		if e.Code != wire.Damaged || len(e.Params) != 1 {
			t.Errorf("%v: have %v", c.err, e)
		}
		if log.Len() > 0 != c.logged {
			t.Errorf("%v: want it logged: %v, have %q", c.err, c.logged, &log)
		}
	}
}
