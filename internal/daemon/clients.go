package daemon

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"

	"github.com/pelletier/go-toml/v2"

	"gorewind/internal/config"
	"gorewind/server"
	"gorewind/store"
	"gorewind/wire"
)

// clientsFile is a file of --clients.
type clientsFile struct {
	Client []struct {
		Name, Key          string
		Read, Write, Admin []string // globs
	}
}

// warnOfNobody says of rules that nobody can use the daemon: a file may have been
// emptied, or be the wrong one.
func warnOfNobody(log *slog.Logger, rules *server.Access) {
	if rules.Len() == 0 {
		log.Warn("NO CLIENT IS LISTED, so that nobody is let in; list some in --clients, with [[client]], and send SIGHUP")
	}
}

// readClients reads who may do what.
func readClients(name string) (*server.Access, error) {
	text, err := os.ReadFile(name)
	if err != nil {
		return nil, fmt.Errorf("cannot read --clients: %w; give a file that lists who may do what", err)
	}
	a, err := parseClients(string(text))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return a, nil
}

func parseClients(text string) (*server.Access, error) {
	var f clientsFile
	const form = "write [[client]], then name, key, read, write and admin"
	err := toml.NewDecoder(strings.NewReader(text)).DisallowUnknownFields().Decode(&f)
	var unknown *toml.StrictMissingError
	var broken *toml.DecodeError
	switch {
	case errors.As(err, &unknown):
		first := unknown.Errors[0]
		line, _ := first.Position()
		return nil, fmt.Errorf("line %d: there is no %s; %s", line, strings.Join(first.Key(), "."), form)
	case errors.As(err, &broken):
		line, _ := broken.Position()
		return nil, fmt.Errorf("line %d: %w; %s", line, notRules(broken), form)
	case err != nil:
		return nil, fmt.Errorf("%w; %s", err, form)
	}
	clients := make([]server.Principal, len(f.Client))
	for i, c := range f.Client {
		clients[i] = server.Principal{Name: c.Name, Key: c.Key}
		for _, r := range []struct {
			right server.Right
			globs []string
			into  **store.Selection
		}{
			{server.Read, c.Read, &clients[i].Read},
			{server.Write, c.Write, &clients[i].Write},
			{server.Admin, c.Admin, &clients[i].Admin},
		} {
			if *r.into, err = streamsOf(r.globs); err != nil {
				return nil, fmt.Errorf("client %q: %s: %w; write globs, such as \"account/*\" or \"**\"", c.Name, r.right, err)
			}
		}
	}
	return server.NewAccess(clients)
}

// notRules says it where what the library says is of this program's types.
func notRules(err *toml.DecodeError) error {
	key := err.Key()
	if !strings.Contains(err.Error(), "cannot decode") || len(key) == 0 {
		return config.NotTOML(err)
	}
	switch name := key[len(key)-1]; name {
	case "name", "key":
		return fmt.Errorf("%s takes text in quotes", name)
	case "read", "write", "admin":
		return fmt.Errorf("%s takes a list of globs, such as [\"account/*\"] or [\"**\"]", name)
	default:
		return fmt.Errorf("%s is no value", name)
	}
}

// streamsOf returns what at least one glob matches.
func streamsOf(globs []string) (*store.Selection, error) {
	s := new(store.Selection)
	for _, glob := range globs {
		if err := s.Also(wire.DefaultSeparator, []byte(glob)); err != nil {
			return nil, fmt.Errorf("%q: %w", glob, err)
		}
	}
	return s, nil
}
