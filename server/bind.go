package server

import (
	"fmt"
	"strings"

	zmq "github.com/pebbe/zmq4"

	"gorewind/server/internal/zsock"
)

// ErrEndpoint is what New returns where an endpoint is not written as ZeroMQ has it:
// that will not be better when it is tried again.
var ErrEndpoint = zsock.ErrEndpoint

// CheckEndpoint returns an ErrEndpoint for what no machine could bind. It binds nothing,
// so that one may be asked about which is in use.
func CheckEndpoint(endpoint string) error { return zsock.CheckEndpoint(endpoint) }

// bindAll binds the endpoints of an option and returns them with their real ports.
func (s *Server) bindAll(z *zmq.Socket, option string, endpoints []string) (addrs []string, err error) {
	if len(endpoints) == 0 {
		return nil, fmt.Errorf("%s is empty; give an endpoint such as tcp://127.0.0.1:9002", option)
	}
	for _, e := range endpoints {
		if s.opts.IPCMode != 0 && strings.HasPrefix(e, "ipc://@") {
			return nil, fmt.Errorf("%s %s: %s means nothing here, since it is no file; give a path", option, e, s.opts.name("IPCMode"))
		}
		addr, err := zsock.Bind(z, e, s.opts.IPCMode)
		if err != nil {
			return nil, fmt.Errorf("%s %s: %w", option, e, err)
		}
		if s.opts.Curve == nil && !zsock.Local(addr) {
			s.log.Warn(fmt.Sprintf("ANYBODY WHO REACHES THIS ENDPOINT MAY READ AND WRITE EVERYTHING; use %s and %s, or bind to 127.0.0.1",
				s.opts.name("Curve"), s.opts.name("Access")), "endpoint", addr)
		}
		addrs = append(addrs, addr)
	}
	return addrs, nil
}
