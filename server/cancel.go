package server

// cancel deals with a CANCEL: it waits for nothing and has no answer of its own.
func (l *loop) cancel(ln *lane) {
	if t := ln.task; t != nil {
		if r := t.source.cancelled(); r != nil {
			l.finish(ln, r)
			return
		}
	}
	if len(ln.open) > 0 { // it ends in its turn
		ln.open[0].cancelled = true
		ln.opened()
	}
}
