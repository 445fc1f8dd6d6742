package server

import (
	"syscall"

	"gorewind/server/internal/auth"
	"gorewind/server/internal/zsock"
	"gorewind/wire"
)

// Allow has the server go by other rules from now on: what a client has under way
// and may not have any more ends with ERROR DENIED. It must have had some from the
// beginning.
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

// A claim is what somebody asks for.
type claim interface {
	// check returns why a client may not have it, nil if it may.
	check(principal *auth.Principal) *wire.Error
}

// principalOf returns whose a message is, by the rules of this moment. Without CURVE that is
// nobody.
func (l *loop) principalOf(m zsock.Message) (principal *auth.Principal, refused *wire.Error) {
	rules := l.access.Load()
	if rules == nil {
		return nil, nil
	}
	// Not by its connection: what came under a routing id before says nothing.
	if principal = rules.Of(m.From.User); principal == nil {
		return nil, auth.UnknownKey()
	}
	return principal, nil
}

// allowed reports whether whose message is handled may have x, and answers if not.
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

// enforce ends what connections may not have any more.
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

// enforceLane answers what waits in a lane in its turn, and what runs now.
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

// cutAll ends all connections. Those who are still let in come back by themselves.
func (l *loop) cutAll() {
	l.observe()
	l.observePub()
	for fd := range l.live {
		_ = syscall.Shutdown(fd, syscall.SHUT_RDWR) // it fails where the other side was first
	}
	for fd := range l.subs.All() {
		_ = syscall.Shutdown(fd, syscall.SHUT_RDWR)
	}
	l.log.Info("dropped all connections", "requests", len(l.live), "broadcasts", l.subs.Len())
}
