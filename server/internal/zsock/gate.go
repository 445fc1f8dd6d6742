package zsock

// A Gate keeps connections from using up the file descriptors that the store needs.
// When none is left, libzmq's I/O thread spins and takes every descriptor that becomes
// free. So the gate closes before that: the kernel then drops new connections, as if
// the network lost their packets, until enough others have ended. The loop owns it.
type Gate struct {
	files     int   // descriptors that connections may use; 0 for no gate
	listeners []int // descriptors of listening sockets
	closed    bool
	shut      bool                              // closed for good
	filter    func(listener int, on bool) error // makes the kernel drop new connections
}

// backlog is how many connections the kernel may hold for an endpoint before libzmq
// accepts them. That many may still come after the gate has closed.
const backlog = 128

// NewGate returns an open gate for so many descriptors; 0: it never closes by itself.
func NewGate(files int) Gate { return Gate{files: files, filter: dropAll} }

// Closed reports whether new connections are dropped.
func (g *Gate) Closed() bool { return g.closed }

// Listening is called with the descriptor of a listening socket.
func (g *Gate) Listening(fd int) { g.listeners = append(g.listeners, fd) }

// room returns how many descriptors must be free for the gate to stay open.
func (g *Gate) room() int { return min((1+len(g.listeners))*backlog, g.files/4) }

// Accepted is called with the descriptor of a new connection. The kernel hands out the
// lowest free descriptor, so a high one means that few are free.
func (g *Gate) Accepted(fd int) error {
	if g.files == 0 || g.closed || fd < g.files-g.room() {
		return nil
	}
	return g.set(true)
}

// Ended is called when a connection has ended, with the number of those that are left.
func (g *Gate) Ended(connections int) error {
	if !g.closed || g.shut || connections > g.files-2*g.room() {
		return nil
	}
	return g.set(false)
}

// ShutForGood closes the gate until the process ends. Clients that connect now wait for
// the next daemon: here, their requests would never be answered.
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
