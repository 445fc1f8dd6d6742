package command

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"strconv"
	"time"

	"github.com/alecthomas/kong"

	"gorewind/internal/config"
	"gorewind/internal/daemon"
	"gorewind/server"
)

type serveCmd struct {
	Router        []string `default:"tcp://127.0.0.1:9002" placeholder:"ENDPOINT" help:"Bind for requests. May be given several times. Default: ${default}."`
	Pub           []string `default:"tcp://127.0.0.1:9003" placeholder:"ENDPOINT" help:"Bind for broadcasts. May be given several times. Default: ${default}."`
	DataDir       string   `default:"data" placeholder:"DIR" help:"Where the events are; made if it does not exist. Default: ${default}."`
	InMemory      bool     `help:"Keep events in memory only and LOSE them at the end. Default: false."`
	MaxEventBytes int      `default:"1048576" placeholder:"N" help:"How large an event may be, at most 4194304. Default: ${default}."`
	LogLevel      string   `default:"info" enum:"debug, info, warn, error" placeholder:"LEVEL" help:"Log from this level on: ${enum}. Default: ${default}."`
	LogFormat     string   `default:"text" enum:"text, json" placeholder:"FORMAT" help:"How to log: ${enum}. Default: ${default}."`
	security
	httpOptions
	Profile string `placeholder:"DIR" help:"Leave profiles of processor time and allocations here, cpu.pprof and allocs.pprof. Default: none."`
}

// Help implements kong's.
func (*serveCmd) Help() string {
	return `
It logs where it serves when it does, and stops cleanly on SIGTERM or SIGINT.

Examples:

    gorewind serve
    gorewind serve --data-dir /var/lib/gorewind/data --router ipc:///run/gorewind/router
    gorewind serve --router tcp://127.0.0.1:9002 --router tcp://192.0.2.1:9002
    gorewind serve --config gorewind.toml --log-format json
`
}

// Validate implements kong's: what it refuses was not asked properly.
func (c *serveCmd) Validate(kctx *kong.Context) error {
	// One of these two may be in a file, and the other be given for once.
	dataDir, inMemory := config.OriginOf(kctx, config.FlagNamed(kctx, "data-dir")), config.OriginOf(kctx, config.FlagNamed(kctx, "in-memory"))
	switch {
	case c.InMemory && dataDir != config.ByDefault && dataDir >= inMemory:
		return errors.New("--in-memory keeps nothing in a --data-dir, and both are given; leave one of them out")
	case c.DataDir == "":
		return errors.New("--data-dir is empty; give a directory")
	}
	o, security := server.Options{MaxEvent: c.MaxEventBytes}, c.security.options()
	security.Limit(&o)
	return cmp.Or(c.security.check(), c.httpOptions.check(), o.Check())
}

// Run serves until a signal comes.
func (c *serveCmd) Run(kctx *kong.Context, stderr io.Writer) error {
	log := c.logger(stderr)
	for _, v := range config.UnknownVariables(kctx.Model) {
		log.Warn("no flag has this environment variable; it is ignored", "variable", v.Name, "nearest", v.Nearest)
	}
	ctx, stop := untilSignal()
	defer stop()
	return daemon.Run(ctx, daemon.Options{
		Router: c.Router, Pub: c.Pub, DataDir: c.DataDir, InMemory: c.InMemory, MaxEventBytes: c.MaxEventBytes,
		Security: c.security.options(), HTTP: daemon.HTTP{Addr: c.HTTP, Pprof: c.Pprof}, Profile: c.Profile, Log: log,
	})
}

func (c *serveCmd) logger(w io.Writer) *slog.Logger {
	var level slog.Level
	_ = level.UnmarshalText([]byte(c.LogLevel)) // kong has checked it
	o := &slog.HandlerOptions{Level: level}
	if c.LogFormat == "json" {
		return slog.New(slog.NewJSONHandler(w, o))
	}
	return slog.New(slog.NewTextHandler(w, o))
}

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

// security are the flags of who may do what, and how much of it.
type security struct {
	CurveKey       string        `placeholder:"FILE" help:"Ask every client for a key (CURVE), and show this one, a file NAME.key_secret of gorewind keygen. Default: none."`
	Clients        string        `placeholder:"FILE" help:"Keys of clients and what each may do, read again on SIGHUP; a curve-key goes with it. Default: none."`
	Drop           bool          `help:"End all connections when SIGHUP takes something from a client; others come back by themselves. Default: false."`
	MaxConnections int           `default:"0" placeholder:"N" help:"Let in so many connections at most; 0 is no limit. Default: ${default}."`
	MaxRequests    int           `default:"0" placeholder:"N" help:"Take so many requests a second of one key, or without keys of one connection; 0 is no limit. Default: ${default}."`
	HandshakeTime  time.Duration `default:"10s" placeholder:"TIME" help:"End connections whose handshake takes longer. Default: ${default}."`
	IPCMode        string        `name:"ipc-mode" placeholder:"MODE" help:"Mode of the files of ipc endpoints, octal, such as 0660. Default: umask."`
}

// check refuses what was not asked properly.
func (s *security) check() error {
	switch {
	case s.CurveKey != "" && s.Clients == "":
		return errors.New("--curve-key needs --clients; give a file that says which keys may do what")
	case s.CurveKey == "" && s.Clients != "":
		return errors.New("--clients needs --curve-key; make a key with gorewind keygen")
	case s.Drop && s.Clients == "":
		return errors.New("--drop needs --clients; leave it out")
	case s.HandshakeTime == 0: // to a server that is the default
		return errors.New("--handshake-time is 0s; give 1ms or more")
	}
	_, err := s.ipcMode()
	return err
}

// ipcMode returns 0 where the umask is to decide.
func (s *security) ipcMode() (fs.FileMode, error) {
	if s.IPCMode == "" {
		return 0, nil
	}
	mode, err := strconv.ParseUint(s.IPCMode, 8, 32)
	if err != nil || mode == 0 || mode > 0o777 {
		return 0, fmt.Errorf("--ipc-mode is %q; give an octal mode such as 0660", s.IPCMode)
	}
	return fs.FileMode(mode), nil
}

// options returns what the daemon takes, of flags that are in order.
func (s *security) options() daemon.Security {
	mode, _ := s.ipcMode()
	return daemon.Security{
		CurveKey: s.CurveKey, Clients: s.Clients, Drop: s.Drop,
		MaxConnections: s.MaxConnections, MaxRequests: s.MaxRequests, Handshake: s.HandshakeTime, IPCMode: mode,
	}
}
