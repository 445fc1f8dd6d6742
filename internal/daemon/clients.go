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

// clientsFile is the content of the file of --clients.
type clientsFile struct {
	Client []struct {
		Name, Key          string
		Read, Write, Admin []string // globs
	}
}

// warnIfEmpty warns of rules without clients: the file may be empty by mistake, or the wrong
// one.
func warnIfEmpty(log *slog.Logger, rules *server.Access) {
	if rules.Len() == 0 {
		log.Warn("no clients configured: all connections will be rejected; add [[client]] tables to the file of --clients and send SIGHUP")
	}
}

// readClients reads the keys and rights of the clients.
func readClients(name string) (*server.Access, error) {
	text, err := os.ReadFile(name)
	if err != nil {
		return nil, fmt.Errorf("cannot read --clients: %w; give a file with the keys and rights of the clients", err)
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
		return nil, fmt.Errorf("line %d: unknown key %s; %s", line, strings.Join(first.Key(), "."), form)
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
				return nil, fmt.Errorf("client %q: %s: %w; write patterns such as \"account/*\" or \"**\"", c.Name, r.right, err)
			}
		}
	}
	return server.NewAccess(clients)
}

// notRules rewrites errors of the library that name types of this program.
func notRules(err *toml.DecodeError) error {
	key := err.Key()
	if !strings.Contains(err.Error(), "cannot decode") || len(key) == 0 {
		return config.NotTOML(err)
	}
	switch name := key[len(key)-1]; name {
	case "name", "key":
		return fmt.Errorf("%s must be a string in quotes", name)
	case "read", "write", "admin":
		return fmt.Errorf("%s must be a list of patterns, such as [\"account/*\"] or [\"**\"]", name)
	default:
		return fmt.Errorf("%s is not a valid value", name)
	}
}

// streamsOf returns the streams that match any of the globs.
func streamsOf(globs []string) (*store.Selection, error) {
	s := new(store.Selection)
	for _, glob := range globs {
		if err := s.Also(wire.DefaultSeparator, []byte(glob)); err != nil {
			return nil, fmt.Errorf("%q: %w", glob, err)
		}
	}
	return s, nil
}
