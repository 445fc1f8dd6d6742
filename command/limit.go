package command

import "errors"

// A limit bounds how many events or streams a command shows.
type limit struct {
	Limit *uint64 `env:"-" short:"n" placeholder:"N" help:"Show at most this many. Default: all."`
}

// checkLimit refuses a limit with which nothing could be shown. On the wire 0 is no limit.
func (l *limit) checkLimit() error {
	if l.Limit != nil && *l.Limit == 0 {
		return errors.New("--limit is 0, with which nothing is shown; give 1 or more, or leave it out for all")
	}
	return nil
}

// most returns the limit, 0 if there is none.
func (l *limit) most() uint64 {
	if l.Limit == nil {
		return 0
	}
	return *l.Limit
}
