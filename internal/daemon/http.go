package daemon

import (
	"fmt"
	"log/slog"

	"gorewind/internal/metrics"
	"gorewind/internal/version"
)

// HTTP holds the options of the HTTP server.
type HTTP struct {
	Addr  string // host and port; empty: no HTTP
	Pprof bool   // serve profiles too
}

// listen starts the HTTP server. It returns nil if there is to be none.
func (o *HTTP) listen(log *slog.Logger) (*metrics.Server, error) {
	web, err := metrics.Listen(metrics.Options{Addr: o.Addr, Pprof: o.Pprof, Version: version.Number, Log: log})
	if err != nil {
		return nil, fmt.Errorf("--http %w", err)
	}
	return web, nil
}
