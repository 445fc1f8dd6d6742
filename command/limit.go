package command

import "errors"

// limit holds the flag that limits the number of events or streams of the output.
type limit struct {
	Limit *uint64 `env:"-" short:"n" placeholder:"N" help:"Print at most N of them. Default: all."`
}

// checkLimit refuses the limit 0, which means no limit in the protocol.
func (l *limit) checkLimit() error {
	if l.Limit != nil && *l.Limit == 0 {
		return errors.New("--limit is 0; give 1 or more, or leave it out for all")
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
