package render

import (
	"context"
	"iter"
	"sync"
	"time"

	"gorewind/client"
)

// A Live prints events as they arrive.
type Live struct {
	*Printer
	Written func(last client.Event) error // called when all events up to last are written

	last  *client.Event // printed, not yet written
	since time.Time     // time of the last write
}

type arrival struct {
	event client.Event
	err   error
}

const (
	liveAhead = 16          // events that may wait to be printed
	liveWrite = time.Second // longest time between writes
)

// Show prints events until they end, at the latest with ctx. It writes all that has arrived by
// then.
func (l *Live) Show(ctx context.Context, events func(context.Context) iter.Seq2[client.Event, error]) (err error) {
	ctx, cancel := context.WithCancel(ctx)
	arrivals := make(chan arrival, liveAhead)
	over := make(chan struct{})
	var pump sync.WaitGroup
	pump.Go(func() { // ends with events, which end with ctx, or with over
		defer close(arrivals)
		for e, err := range events(ctx) {
			select {
			case arrivals <- arrival{e, err}:
			case <-over:
				return
			}
		}
	})
	defer func() {
		close(over)
		cancel()
		pump.Wait()
		if failed := l.write(); err == nil {
			err = failed
		}
	}()
	for {
		select {
		case a, ok := <-arrivals:
			if !ok || a.err != nil {
				return a.err
			}
			if err := l.add(a.event); err != nil {
				return err
			}
			continue
		default:
		}
		if err := l.write(); err != nil {
			return err
		}
		a, ok := <-arrivals
		if !ok || a.err != nil {
			return a.err
		}
		if err := l.add(a.event); err != nil {
			return err
		}
	}
}

// add prints an event.
func (l *Live) add(e client.Event) error {
	l.last = &e
	if err := l.Event(e); err != nil {
		return err
	}
	if time.Since(l.since) < liveWrite {
		return nil
	}
	return l.write()
}

// write writes what was printed.
func (l *Live) write() error {
	l.since = time.Now()
	if l.last == nil {
		return nil
	}
	last := *l.last
	l.last = nil
	if err := l.w.Flush(); err != nil {
		return err
	}
	return l.Written(last)
}
