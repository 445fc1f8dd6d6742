package zsock

// A Gate keeps connections from taking the descriptors that the store needs.
// Where libzmq finds none left, its one I/O thread spins, and it takes every one
// that becomes free for a moment. So the gate closes before: new connections
// are then dropped by the kernel, like packets on a bad line, until others have
// ended. It is the loop's.
type Gate struct {
	files     int   // descriptors there may be; 0: no gate
	listeners []int // descriptors that listen
	closed    bool
	shut      bool                              // for good
	filter    func(listener int, on bool) error // has the kernel drop what comes
}

// backlog is how many connections the kernel may have for an endpoint that
// libzmq has yet to accept: so many may still come when the gate has closed.
const backlog = 128

// NewGate returns an open gate. There may be so many descriptors; 0: it never closes
// by itself.
func NewGate(files int) Gate { return Gate{files: files, filter: dropAll} }

// Closed reports whether new connections are held off.
func (g *Gate) Closed() bool { return g.closed }

// Listening is called with a descriptor that listens.
func (g *Gate) Listening(fd int) { g.listeners = append(g.listeners, fd) }

// room is how many descriptors must be free for the gate to stay open.
func (g *Gate) room() int { return min((1+len(g.listeners))*backlog, g.files/4) }

// Accepted is called with the descriptor of a new connection. The kernel gives
// the lowest that is free, so that a high one means that few are.
func (g *Gate) Accepted(fd int) error {
	if g.files == 0 || g.closed || fd < g.files-g.room() {
		return nil
	}
	return g.set(true)
}

// Ended is called when a connection has ended and so many are left.
func (g *Gate) Ended(connections int) error {
	if !g.closed || g.shut || connections > g.files-2*g.room() {
		return nil
	}
	return g.set(false)
}

// ShutForGood has who connects wait for the next daemon: what it asked for would be
// taken here, and never be answered.
func (g *Gate) ShutForGood() error {
	g.shut = true
	return g.set(true)
}

func (g *Gate) set(closed bool) error {
	g.closed = closed
	for _, fd := range g.listeners {
		if err := g.filter(fd, closed); err != nil {
			return err
		}
	}
	return nil
}
