package server

import (
	"syscall"

	"gorewind/server/internal/auth"
	"gorewind/server/internal/zsock"
	"gorewind/wire"
)

// Allow replaces the rules of a running server, which must have had some from the
// beginning. Requests that a client has under way and may no longer make end with ERROR
// DENIED.
func (s *Server) Allow(rules *Access) {
	before := s.access.Swap(rules.rules)
	drop := s.opts.Drop && before.Narrows(rules.rules)
	s.loop.out.post(func() {
		s.loop.enforce(rules.rules)
		if drop {
			s.loop.cutAll()
		}
	})
}

// A claim is a request that takes rights.
type claim interface {
	// check returns an error if a principal does not have the rights, nil if it does.
	check(principal *auth.Principal) *wire.Error
}

// principalOf returns who sent a message, by the current rules; nil without CURVE.
func (l *loop) principalOf(m zsock.Message) (principal *auth.Principal, refused *wire.Error) {
	rules := l.access.Load()
	if rules == nil {
		return nil, nil
	}
	// The key comes with each message: a peer may have taken over the routing id of
	// another.
	if principal = rules.Of(m.From.User); principal == nil {
		return nil, auth.UnknownKey()
	}
	return principal, nil
}

// allowed reports whether the current principal has the rights for x, and answers if
// not.
func (l *loop) allowed(ln *lane, x claim) bool {
	if l.principal == nil {
		return true
	}
	if refused := x.check(l.principal); refused != nil {
		l.refuse(ln, refused)
		return false
	}
	return true
}

// enforce ends all requests that their principals may no longer make.
func (l *loop) enforce(rules *auth.Rules) {
	l.rates.Forget(rules)
	for _, c := range l.conns {
		principal := rules.Of([]byte(c.user))
		l.enforceLane(&c.plain, principal)
		for _, ln := range c.lanes {
			l.enforceLane(ln, principal)
		}
	}
}

// enforceLane replaces queued requests of a lane by an ERROR in their turn, and ends
// the task that runs now.
func (l *loop) enforceLane(ln *lane, principal *auth.Principal) {
	refusal := func(x claim) *wire.Error {
		if principal == nil {
			return auth.UnknownKey()
		}
		return x.check(principal)
	}
	for i := range ln.queue {
		var x claim
		r := &ln.queue[i]
		switch {
		case r.write != nil:
			x = r.write
		case r.task != nil && !r.task.cancelled:
			x = r.task.source
		default:
			continue
		}
		refused := refusal(x)
		if refused == nil {
			continue
		}
		l.stats.refused(refused)
		ln.closed(r.task)
		ln.count(r, -1)
		*r = request{packed: ln.envelope.Pack(nil, refused.Frames())}
		ln.count(r, +1)
	}
	if ln.task == nil {
		return
	}
	if refused := refusal(ln.task.source); refused != nil {
		l.finish(ln, refused)
	}
}

// cutAll closes all connections. Clients with valid keys reconnect by themselves.
func (l *loop) cutAll() {
	l.observe()
	l.observePub()
	for fd := range l.live {
		_ = syscall.Shutdown(fd, syscall.SHUT_RDWR) // it fails if the peer has closed it first
	}
	for fd := range l.subs.All() {
		_ = syscall.Shutdown(fd, syscall.SHUT_RDWR)
	}
	l.log.Info("dropped all connections: the new rules take rights away", "requests", len(l.live), "broadcasts", l.subs.Len())
}
