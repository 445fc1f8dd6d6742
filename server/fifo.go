package server

// A fifo is tasks in order. A task is in one at most, and leaves it from wherever
// in it it is at no cost: whoever cancels much must not have others wait.
type fifo struct {
	first, last *task
	len         int
}

// link is a task's place in a fifo.
type link struct {
	in         *fifo
	prev, next *task
}

// push appends t, which is in no fifo.
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

// pushFront puts t, which is in no fifo, before all others.
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

// pop takes the first one out; nil if there is none.
func (f *fifo) pop() *task {
	t := f.first
	if t != nil {
		t.leave()
	}
	return t
}

// leave takes t out of the fifo that it is in, if any.
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
