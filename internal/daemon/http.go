package daemon

import (
	"fmt"
	"log/slog"

	"gorewind/internal/metrics"
	"gorewind/internal/version"
)

// HTTP is what is served over HTTP.
type HTTP struct {
	Addr  string // host and port; empty: nothing is
	Pprof bool   // profiles, too
}

// listen serves HTTP if it is to. What it returns is nil if it is not.
func (o *HTTP) listen(log *slog.Logger) (*metrics.Server, error) {
	web, err := metrics.Listen(metrics.Options{Addr: o.Addr, Pprof: o.Pprof, Version: version.Number, Log: log})
	if err != nil {
		return nil, fmt.Errorf("--http %w", err)
	}
	return web, nil
}
