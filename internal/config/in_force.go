package config

import (
	"encoding"
	"fmt"
	"io"
	"reflect"
	"strings"

	"github.com/alecthomas/kong"
	"github.com/pelletier/go-toml/v2"
)

// InForce holds the values of a command's flags.
type InForce struct {
	Command string    `json:"command"`
	Values  []Setting `json:"values"`
}

// A Setting is the value of one flag.
type Setting struct {
	Name   string `json:"name"`
	Value  any    `json:"value"`  // null: none
	Source string `json:"source"` // an origin
	Where  string `json:"where"`

	key bool // the file may have it
}

// Values returns the values of all flags that the environment can set.
func (s *Settings) Values(kctx *kong.Context) InForce {
	found := InForce{Command: kctx.Selected().Path()}
	for _, flag := range kctx.Flags() {
		if len(flag.Envs) == 0 {
			continue
		}
		from := OriginOf(kctx, flag)
		v := Setting{Name: keysOf(flag)[0], Source: from.String(), Where: s.where(flag, from), key: IsSetting(flag)}
		if from != ByDefault || flag.HasDefault || flag.IsBool() || !flag.Target.IsZero() {
			v.Value = plain(flag.Target)
		}
		found.Values = append(found.Values, v)
	}
	return found
}

// plain returns a value in a form for TOML and JSON. flagToken is the inverse.
func plain(v reflect.Value) any {
	if v.Kind() == reflect.Pointer {
		if v.IsNil() {
			return nil
		}
		v = v.Elem()
	}
	switch text := v.Addr().Interface().(type) {
	case encoding.TextMarshaler:
		if b, err := text.MarshalText(); err == nil {
			return string(b)
		}
	case fmt.Stringer:
		return text.String()
	}
	switch {
	case v.Kind() == reflect.Slice && v.IsNil():
		return []string{}
	case v.Kind() == reflect.Slice && v.Type().Elem().Kind() != reflect.Uint8, v.CanInt(), v.CanUint(), v.CanFloat(), v.Kind() == reflect.Bool:
		return v.Interface()
	}
	return fmt.Sprint(v.Interface())
}

// WriteTOML prints all values as a TOML file, one key a line, and where each comes from.
// Flags that cannot be keys, or have no value, are commented out.
func (f InForce) WriteTOML(w io.Writer) error {
	var names, texts []string
	for _, v := range f.Values {
		name, text := v.Name, ""
		if v.Value != nil {
			line, err := toml.Marshal(map[string]any{v.Name: v.Value})
			if err != nil {
				return err
			}
			_, text, _ = strings.Cut(strings.TrimSpace(string(line)), " = ")
		}
		if v.Value == nil || !v.key {
			name = "# " + name
		}
		names, texts = append(names, name), append(texts, text)
	}
	width := func(columns []string) (widest int) {
		for _, c := range columns {
			widest = max(widest, len(c))
		}
		return widest
	}
	lines := []string{fmt.Sprintf("# The values in force for gorewind %s, and where each comes from.", f.Command)}
	for i, v := range f.Values {
		lines = append(lines, fmt.Sprintf("%-*s = %-*s  # %s", width(names), names[i], min(width(texts), 40), texts[i], v.Where))
	}
	_, err := fmt.Fprintln(w, strings.Join(lines, "\n"))
	return err
}
