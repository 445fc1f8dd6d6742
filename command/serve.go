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
	Router        []string `default:"tcp://127.0.0.1:9002" placeholder:"ENDPOINT" help:"Bind this endpoint for requests. May be given several times. Default: ${default}."`
	Pub           []string `default:"tcp://127.0.0.1:9003" placeholder:"ENDPOINT" help:"Bind this endpoint for broadcasts. May be given several times. Default: ${default}."`
	DataDir       string   `default:"data" placeholder:"DIR" help:"Directory of the store; created if missing. Default: ${default}."`
	InMemory      bool     `help:"Keep events in memory only and LOSE them on exit. Default: false."`
	MaxEventBytes int      `default:"1048576" placeholder:"N" help:"Maximum size of an event in bytes, up to 4194304. Default: ${default}."`
	LogLevel      string   `default:"info" enum:"debug, info, warn, error" placeholder:"LEVEL" help:"Minimum level to log: ${enum}. Default: ${default}."`
	LogFormat     string   `default:"text" enum:"text, json" placeholder:"FORMAT" help:"Format of the log: ${enum}. Default: ${default}."`
	security
	httpOptions
	Profile string `placeholder:"DIR" help:"Write CPU and allocation profiles to this directory on exit, as cpu.pprof and allocs.pprof. Default: none."`
}

// Help implements kong's.
func (*serveCmd) Help() string {
	return `
Logs to standard error. The line "serving" says that the daemon is ready, and on which endpoints. SIGTERM and SIGINT stop it cleanly; SIGHUP reads --clients again.

Examples:

    gorewind serve
    gorewind serve --data-dir /var/lib/gorewind/data --router ipc:///run/gorewind/router
    gorewind serve --router tcp://127.0.0.1:9002 --router tcp://192.0.2.1:9002
    gorewind serve --config gorewind.toml --log-format json
`
}

// Validate implements kong's. It reports usage errors.
func (c *serveCmd) Validate(kctx *kong.Context) error {
	// The file may set one of these two, and the command line the other for a single run.
	dataDir, inMemory := config.OriginOf(kctx, config.FlagNamed(kctx, "data-dir")), config.OriginOf(kctx, config.FlagNamed(kctx, "in-memory"))
	switch {
	case c.InMemory && dataDir != config.ByDefault && dataDir >= inMemory:
		return errors.New("--in-memory does not use --data-dir; leave one of them out")
	case c.DataDir == "":
		return errors.New("--data-dir is empty; give a directory")
	}
	o, security := server.Options{MaxEvent: c.MaxEventBytes}, c.security.options()
	security.Limit(&o)
	return cmp.Or(c.security.check(), c.httpOptions.check(), o.Check())
}

// Run runs the daemon until a signal.
func (c *serveCmd) Run(kctx *kong.Context, stderr io.Writer) error {
	log := c.logger(stderr)
	for _, v := range config.UnknownVariables(kctx.Model) {
		log.Warn("unknown environment variable ignored", "variable", v.Name, "nearest", v.Nearest)
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

// httpOptions holds the flags of the HTTP server.
type httpOptions struct {
	HTTP  string `name:"http" placeholder:"ADDR" help:"Serve /metrics, /healthz and /readyz over HTTP on this address, such as 127.0.0.1:9004. Default: none."`
	Pprof bool   `help:"Also serve profiles there, under /debug/pprof/. Default: false."`
}

func (o *httpOptions) check() error {
	if o.Pprof && o.HTTP == "" {
		return errors.New("--pprof needs --http; give an address such as --http 127.0.0.1:9004")
	}
	if o.HTTP == "" {
		return nil
	}
	_, port, err := net.SplitHostPort(o.HTTP)
	if err == nil {
		_, err = net.LookupPort("tcp", port)
	}
	if err != nil {
		return fmt.Errorf("--http %s is not an address with a port; give one such as 127.0.0.1:9004", o.HTTP)
	}
	return nil
}

// security holds the flags that control access and limits.
type security struct {
	CurveKey       string        `placeholder:"FILE" help:"Require CURVE from every client, with this key of the daemon: a file NAME.key_secret from gorewind keygen. Default: none."`
	Clients        string        `placeholder:"FILE" help:"File with the keys and rights of all clients, read again on SIGHUP; a curve-key goes with it. Default: none."`
	Drop           bool          `help:"Close all connections when SIGHUP takes rights away; permitted clients reconnect by themselves. Default: false."`
	MaxConnections int           `default:"0" placeholder:"N" help:"Maximum number of connections; 0 is no limit. Default: ${default}."`
	MaxRequests    int           `default:"0" placeholder:"N" help:"Maximum number of requests a second for each key, or for each connection without CURVE; 0 is no limit. Default: ${default}."`
	HandshakeTime  time.Duration `default:"10s" placeholder:"TIME" help:"Close connections whose handshake takes longer than this. Default: ${default}."`
	IPCMode        string        `name:"ipc-mode" placeholder:"MODE" help:"File mode of ipc endpoints in octal, such as 0660. Default: umask."`
}

// check reports usage errors.
func (s *security) check() error {
	switch {
	case s.CurveKey != "" && s.Clients == "":
		return errors.New("--curve-key needs --clients; give a file with the keys and rights of the clients")
	case s.CurveKey == "" && s.Clients != "":
		return errors.New("--clients needs --curve-key; generate a key with gorewind keygen")
	case s.Drop && s.Clients == "":
		return errors.New("--drop needs --clients; leave it out")
	case s.HandshakeTime == 0: // the server would take it for the default
		return errors.New("--handshake-time is 0s; give 1ms or more")
	}
	_, err := s.ipcMode()
	return err
}

// ipcMode returns 0 if the umask decides.
func (s *security) ipcMode() (fs.FileMode, error) {
	if s.IPCMode == "" {
		return 0, nil
	}
	mode, err := strconv.ParseUint(s.IPCMode, 8, 32)
	if err != nil || mode == 0 || mode > 0o777 {
		return 0, fmt.Errorf("--ipc-mode %q is not a file mode; give an octal one such as 0660", s.IPCMode)
	}
	return fs.FileMode(mode), nil
}

// options returns the daemon's options. The flags must have passed check.
func (s *security) options() daemon.Security {
	mode, _ := s.ipcMode()
	return daemon.Security{
		CurveKey: s.CurveKey, Clients: s.Clients, Drop: s.Drop,
		MaxConnections: s.MaxConnections, MaxRequests: s.MaxRequests, Handshake: s.HandshakeTime, IPCMode: mode,
	}
}
