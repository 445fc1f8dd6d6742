package zsock

import "testing"

func TestGate(t *testing.T) {
	on := map[int]bool{}
	g := Gate{files: 2000, listeners: []int{3, 4}, filter: func(fd int, drop bool) error { on[fd] = drop; return nil }}
	steps := []struct {
		fd, left int // a descriptor that came, or the connections left after one ended
		closed   bool
	}{
		{fd: 10}, {fd: 1615}, {fd: 1616, closed: true}, {fd: 1700, closed: true},
		{left: 1600, closed: true}, {left: 1233, closed: true}, {left: 1232}, {left: 1231}, {fd: 1616, closed: true},
	}
	for i, s := range steps {
		var err error
		if s.fd > 0 {
			err = g.Accepted(s.fd)
		} else {
			err = g.Ended(s.left)
		}
		if err != nil || g.closed != s.closed || on[3] != s.closed || on[4] != s.closed {
			t.Errorf("step %d: want closed %v, have %v, %v, %v", i, s.closed, g.closed, on, err)
		}
	}
}
