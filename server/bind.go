package server

import (
	"fmt"
	"strings"

	zmq "github.com/pebbe/zmq4"

	"gorewind/server/internal/zsock"
)

// ErrEndpoint is the error of New for an endpoint that ZeroMQ cannot parse. Trying
// again does not help.
var ErrEndpoint = zsock.ErrEndpoint

// CheckEndpoint returns an ErrEndpoint if no machine could bind an endpoint. It binds
// nothing, so an endpoint that is in use passes.
func CheckEndpoint(endpoint string) error { return zsock.CheckEndpoint(endpoint) }

// bindAll binds the endpoints of an option and returns them with the ports that were
// bound.
func (s *Server) bindAll(z *zmq.Socket, option string, endpoints []string) (addrs []string, err error) {
	if len(endpoints) == 0 {
		return nil, fmt.Errorf("%s is empty; give an endpoint such as tcp://127.0.0.1:9002", option)
	}
	for _, e := range endpoints {
		if s.opts.IPCMode != 0 && strings.HasPrefix(e, "ipc://@") {
			return nil, fmt.Errorf("%s %s: an abstract socket has no file for %s; give a path instead", option, e, s.opts.name("IPCMode"))
		}
		addr, err := zsock.Bind(z, e, s.opts.IPCMode)
		if err != nil {
			return nil, fmt.Errorf("%s %s: %w", option, e, err)
		}
		if s.opts.Curve == nil && !zsock.Local(addr) {
			s.log.Warn(fmt.Sprintf("no authentication: everybody who can reach this endpoint can read and write everything; set %s and %s, or bind to 127.0.0.1",
				s.opts.name("Curve"), s.opts.name("Access")), "endpoint", addr)
		}
		addrs = append(addrs, addr)
	}
	return addrs, nil
}
