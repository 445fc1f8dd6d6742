package server

// cancel handles a CANCEL: at once, and without an answer of its own.
func (l *loop) cancel(ln *lane) {
	if t := ln.task; t != nil {
		if r := t.source.cancelled(); r != nil {
			l.finish(ln, r)
			return
		}
	}
	if len(ln.open) > 0 { // the task ends when its turn comes
		ln.open[0].cancelled = true
		ln.opened()
	}
}
