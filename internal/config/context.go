package config

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"

	"github.com/alecthomas/kong"
	"github.com/pelletier/go-toml/v2"

	"gorewind/internal/newfile"
)

// ContextFlag is the flag that names the context, and so no key in a file.
const ContextFlag = "context"

// A Context is a daemon and the keys with which a user asks it.
type Context struct {
	Connect   string `toml:"connect,omitempty"`
	Subscribe string `toml:"subscribe,omitempty"`
	ClientKey string `toml:"client-key,omitempty"`
	ServerKey string `toml:"server-key,omitempty"`
}

// contextKeys are the keys of a context's file.
var contextKeys = []string{"connect", "subscribe", "client-key", "server-key"}

// Contexts are those of a user: a file for each, and one with the name of the current one.
type Contexts struct{ dir string }

// UserContexts returns those in the user's configuration directory.
func UserContexts() (Contexts, error) {
	dir, err := os.UserConfigDir()
	if err != nil {
		return Contexts{}, fmt.Errorf("contexts: %w", err)
	}
	return Contexts{filepath.Join(dir, "gorewind")}, nil
}

// validContext is the form of names, which are those of files.
var validContext = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9._-]*$`)

// CheckContext refuses a name that no context may have.
func CheckContext(name string) error {
	if !validContext.MatchString(name) {
		return fmt.Errorf("%q is not a valid name of a context; take letters, digits, ., - and _, and do not begin with . or -", name)
	}
	return nil
}

func (c Contexts) path(name string) string { return filepath.Join(c.dir, "contexts", name+".toml") }

func (c Contexts) currentPath() string { return filepath.Join(c.dir, "context") }

// Add makes a context. Only the user may read it.
func (c Contexts) Add(name string, context Context) error {
	text, err := toml.Marshal(context)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(c.path(name)), 0o700); err != nil {
		return err
	}
	err = newfile.Write(c.path(name), text, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("there is a context %s already; remove it first, or choose another name", name)
	}
	return err
}

// List returns the names, in order.
func (c Contexts) List() (names []string, err error) {
	entries, err := os.ReadDir(filepath.Join(c.dir, "contexts"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	for _, e := range entries {
		if name, ok := strings.CutSuffix(e.Name(), ".toml"); ok && CheckContext(name) == nil {
			names = append(names, name)
		}
	}
	return names, nil
}

// Show returns the file of a context.
func (c Contexts) Show(name string) ([]byte, error) {
	text, err := os.ReadFile(c.path(name))
	return text, missing(name, err)
}

// Read returns a context.
func (c Contexts) Read(name string) (context Context, err error) {
	text, err := c.Show(name)
	if err != nil {
		return Context{}, err
	}
	return context, toml.Unmarshal(text, &context)
}

// Current returns the name of the context that is used where none is named; empty: none.
func (c Contexts) Current() (name string, err error) {
	text, err := os.ReadFile(c.currentPath())
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", err
	}
	return strings.TrimSpace(string(text)), nil
}

// Use makes a context the current one, or none, if name is empty. It replaces the file as a
// whole: one that was cut would mean that there is none.
func (c Contexts) Use(name string) error {
	if name == "" {
		if err := os.Remove(c.currentPath()); !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		return nil
	}
	if _, err := c.Show(name); err != nil {
		return err
	}
	written := c.currentPath() + ".new"
	if err := os.WriteFile(written, []byte(name+"\n"), 0o600); err != nil {
		return err
	}
	return os.Rename(written, c.currentPath())
}

// Remove removes a context. If it was the current one, there is none then.
func (c Contexts) Remove(name string) error {
	current, err := c.Current()
	if err != nil {
		return err
	}
	if current == name {
		if err := c.Use(""); err != nil {
			return err
		}
	}
	return missing(name, os.Remove(c.path(name)))
}

// missing says that there is no such context, if that is what an error is about.
func missing(name string, err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("there is no context %q; gorewind context list shows those that there are", name)
	}
	return err
}

// isEndpoint is whether a flag says where a command finds the daemon. bench has no such flag with
// a default: it writes into the store that it measures, so that it uses no context.
func isEndpoint(flag *kong.Flag) bool {
	return IsSetting(flag) && flag.HasDefault && (flag.Name == "connect" || flag.Name == "subscribe")
}

// loadContext reads the context for a command that asks a daemon. Where the command line does
// not name it, it gives way to an endpoint that is given in another way, with its keys, which
// are for another daemon.
func (s *Settings) loadContext(kctx *kong.Context) error {
	flag := FlagNamed(kctx, ContextFlag)
	from := OriginOf(kctx, flag)
	name, _ := kctx.FlagValue(flag).(string)
	s.contextFirst = from == OnCommandLine
	switch {
	case !slices.ContainsFunc(kctx.Flags(), isEndpoint):
		if s.contextFirst && name != "" && slices.ContainsFunc(kctx.Flags(), func(f *kong.Flag) bool { return f.Name == "connect" }) {
			return fmt.Errorf("%s uses no context; leave --%s out", kctx.Selected().Name, ContextFlag)
		}
		return nil
	case name == "" && from != ByDefault: // none is asked for
		return nil
	case !s.contextFirst && slices.ContainsFunc(kctx.Flags(), func(f *kong.Flag) bool { return isEndpoint(f) && s.isGiven(kctx, f) }):
		return nil
	}
	contexts, err := UserContexts()
	if err == nil && name == "" {
		name, err = contexts.Current()
	}
	if from == ByDefault && (name == "" || errors.Is(err, fs.ErrPermission) || errors.Is(err, syscall.ENOTDIR)) {
		return nil // without a home, or in one that is another user's, there is no current one
	}
	if err != nil {
		return err
	}
	if err := CheckContext(name); err != nil {
		return err
	}
	text, err := contexts.Show(name)
	if err != nil {
		return err
	}
	if s.context, err = parseFile(contexts.path(name), text); err != nil {
		return err
	}
	s.contextName = name
	return s.context.check(contextKeys, nil)
}

// isGiven is whether the command line, the environment or the file sets a flag.
func (s *Settings) isGiven(kctx *kong.Context, flag *kong.Flag) bool {
	return OriginOf(kctx, flag) != ByDefault || s.file != nil && s.file.keyOf(flag) != ""
}
