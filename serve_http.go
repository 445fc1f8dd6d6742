package main

import (
	"errors"
	"fmt"
	"log/slog"
	"net"

	"gorewind/internal/metrics"
	"gorewind/internal/version"
)

// httpOptions are the flags of what is served over HTTP.
type httpOptions struct {
	HTTP  string `name:"http" placeholder:"ADDR" help:"Serve /metrics, /healthz and /readyz over HTTP here, such as 127.0.0.1:9004. Default: none."`
	Pprof bool   `help:"Serve profiles there too, below /debug/pprof/. Default: false."`
}

func (o *httpOptions) check() error {
	if o.Pprof && o.HTTP == "" {
		return errors.New("--pprof needs --http; give an address")
	}
	if o.HTTP == "" {
		return nil
	}
	_, port, err := net.SplitHostPort(o.HTTP)
	if err == nil {
		_, err = net.LookupPort("tcp", port)
	}
	if err != nil {
		return fmt.Errorf("--http %s is no address with a port; give one such as 127.0.0.1:9004", o.HTTP)
	}
	return nil
}

// listen serves HTTP if it is to. What it returns is nil if it is not.
func (o *httpOptions) listen(log *slog.Logger) (*metrics.Server, error) {
	return metrics.Listen(metrics.Options{Addr: o.HTTP, Pprof: o.Pprof, Version: version.Number, Log: log})
}
