package config

import (
	"fmt"
	"reflect"
	"strconv"
	"time"

	"github.com/alecthomas/kong"
)

// flagToken returns the token that kong parses for a value of a TOML file. It refuses values of
// another type than the flag's, some of which kong would accept.
func flagToken(value any, flag *kong.Flag) (token any, err error) {
	want := flag.Target.Type()
	if want.Kind() == reflect.Pointer {
		want = want.Elem()
	}
	takes, is := "a string", want.Kind()
	switch {
	case want == reflect.TypeFor[time.Duration]():
		takes, is = `a string like "5s"`, reflect.String
	case is == reflect.Bool:
		takes = "true or false"
	case is >= reflect.Int && is <= reflect.Uint64:
		takes, is = "a whole number, without quotes", reflect.Int64
	case is == reflect.Float32 || is == reflect.Float64:
		takes, is = "a number with a point, without quotes", reflect.Float64
	case is == reflect.Slice && want.Elem().Kind() == reflect.String:
		takes = `a list of strings, ["one", "two"]`
	default:
		is = reflect.String // a type that parses text
	}
	if reflect.TypeOf(value).Kind() != is {
		return nil, fmt.Errorf("needs %s, not %s", takes, literalOf(value))
	}
	switch v := value.(type) {
	case []any:
		for _, element := range v {
			if _, ok := element.(string); !ok {
				return nil, fmt.Errorf("needs %s, but the list has %s", takes, literalOf(element))
			}
		}
		return v, nil
	case string:
		if _, err := time.ParseDuration(v); err != nil && want == reflect.TypeFor[time.Duration]() {
			return nil, fmt.Errorf("needs %s, not %s", takes, literalOf(v))
		}
		return v, nil
	case int64:
		return strconv.FormatInt(v, 10), nil
	case float64:
		return strconv.FormatFloat(v, 'g', -1, 64), nil
	}
	return value, nil
}

// literalOf returns a value as written in the file, strings in quotes.
func literalOf(value any) string {
	if text, ok := value.(string); ok {
		return strconv.Quote(text)
	}
	return fmt.Sprint(value)
}
