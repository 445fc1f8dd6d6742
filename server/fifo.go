package server

// A fifo is a queue of tasks. A task is in at most one fifo, and leaving from the
// middle costs nothing: a peer that cancels much must not slow others down.
type fifo struct {
	first, last *task
	len         int
}

// A link is a task's place in a fifo.
type link struct {
	in         *fifo
	prev, next *task
}

// push appends t, which must not be in a fifo.
func (f *fifo) push(t *task) {
	t.link = link{in: f, prev: f.last}
	if f.last == nil {
		f.first = t
	} else {
		f.last.link.next = t
	}
	f.last = t
	f.len++
}

// pushFront puts t, which must not be in a fifo, before all others.
func (f *fifo) pushFront(t *task) {
	t.link = link{in: f, next: f.first}
	if f.first == nil {
		f.last = t
	} else {
		f.first.link.prev = t
	}
	f.first = t
	f.len++
}

// pop takes the first task out; nil if there is none.
func (f *fifo) pop() *task {
	t := f.first
	if t != nil {
		t.leave()
	}
	return t
}

// leave takes t out of its fifo, if it is in one.
func (t *task) leave() {
	f := t.link.in
	if f == nil {
		return
	}
	if prev := t.link.prev; prev == nil {
		f.first = t.link.next
	} else {
		prev.link.next = t.link.next
	}
	if next := t.link.next; next == nil {
		f.last = t.link.prev
	} else {
		next.link.prev = t.link.prev
	}
	f.len--
	t.link = link{}
}
