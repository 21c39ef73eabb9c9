package config

import (
	"encoding"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/poolkeeper/poolkeeper/registry"
)

// A reader turns what was written into the values of fields.
type reader struct {
	// env are the variables that "env:NAME" may name.
	env map[string]string
	// dir is what a "file:PATH" is relative to.
	dir string
}

// fromFile gives the value of a decoded YAML node: its type must be the
// field's own, so that a number where a text belongs is found and not guessed
// at.
func (r reader) fromFile(t reflect.Type, raw any) (reflect.Value, error) {
	if t.Kind() == reflect.Slice && !isText(t) {
		return r.list(t, raw)
	}
	if raw == nil {
		return reflect.Value{}, fmt.Errorf("has no value; write %s, or remove the line for the default", describe(t))
	}
	text, isString := raw.(string)
	_, isNumber := raw.(int)
	switch {
	case isString && wantsText(t):
		return r.fromText(t, text)
	case isNumber && t == durationType() && raw == 0:
		return reflect.Zero(t), nil
	case isNumber && isInteger(t):
		return r.fromText(t, strconv.Itoa(raw.(int)))
	case t.Kind() == reflect.Bool:
		if b, ok := raw.(bool); ok {
			return reflect.ValueOf(b).Convert(t), nil
		}
	case t.Kind() == reflect.Float64:
		if f, ok := number(raw); ok {
			return reflect.ValueOf(f).Convert(t), nil
		}
	}
	if t == secretType() {
		return reflect.Value{}, fmt.Errorf("must be %s", describe(t))
	}
	return reflect.Value{}, fmt.Errorf("is %s; it must be %s", shown(raw), describe(t))
}

func (r reader) list(t reflect.Type, raw any) (reflect.Value, error) {
	items, ok := raw.([]any)
	if !ok {
		return reflect.Value{}, fmt.Errorf("is %s; it must be %s", shown(raw), describe(t))
	}
	out := reflect.MakeSlice(t, 0, len(items))
	for i, item := range items {
		v, err := r.fromFile(t.Elem(), item)
		if err != nil {
			return reflect.Value{}, fmt.Errorf("entry %d %w", i+1, err)
		}
		out = reflect.Append(out, v)
	}
	return out, nil
}

// fromText gives the value of an environment variable, or of a text in the
// file. Lists are separated by commas.
func (r reader) fromText(t reflect.Type, text string) (reflect.Value, error) {
	if t.Kind() == reflect.Slice && !isText(t) {
		return r.listFromText(t, text)
	}
	out := reflect.New(t).Elem()
	switch {
	case t == secretType():
		secret, err := r.secret(text)
		if err != nil {
			return reflect.Value{}, err
		}
		out.Set(reflect.ValueOf(secret))
		return out, nil
	case isText(t):
		if err := out.Addr().Interface().(encoding.TextUnmarshaler).UnmarshalText([]byte(text)); err != nil {
			return reflect.Value{}, fmt.Errorf("is %q: %w", text, err)
		}
		return out, nil
	}
	if !setScalar(out, strings.TrimSpace(text)) {
		return reflect.Value{}, fmt.Errorf("is %q; it must be %s", text, describe(t))
	}
	return out, nil
}

func (r reader) listFromText(t reflect.Type, text string) (reflect.Value, error) {
	out := reflect.MakeSlice(t, 0, 0)
	for item := range strings.SplitSeq(text, ",") {
		if item = strings.TrimSpace(item); item == "" {
			continue
		}
		v, err := r.fromText(t.Elem(), item)
		if err != nil {
			return reflect.Value{}, err
		}
		out = reflect.Append(out, v)
	}
	return out, nil
}

// setScalar reports false when the text is nothing for the field's kind.
func setScalar(out reflect.Value, text string) bool {
	switch kind := out.Kind(); {
	case out.Type() == durationType():
		d, err := time.ParseDuration(text)
		out.SetInt(int64(d))
		return err == nil
	case kind == reflect.String:
		out.SetString(text)
		return true
	case kind == reflect.Bool:
		b, err := strconv.ParseBool(text)
		out.SetBool(b)
		return err == nil
	case kind == reflect.Float64:
		f, err := strconv.ParseFloat(text, 64)
		out.SetFloat(f)
		return err == nil && !math.IsNaN(f) && !math.IsInf(f, 0)
	case out.CanUint():
		n, err := strconv.ParseUint(text, 10, out.Type().Bits())
		out.SetUint(n)
		return err == nil
	case kind == reflect.Int64:
		n, ok := registry.ParseSize(text)
		out.SetInt(n)
		return ok
	default:
		n, err := strconv.ParseInt(text, 10, out.Type().Bits())
		out.SetInt(n)
		return err == nil
	}
}

// secret resolves "env:NAME" from the variables that Load was given; the rest
// is registry's rule. The error never contains the secret.
func (r reader) secret(text string) (registry.Secret, error) {
	if name, ok := strings.CutPrefix(text, "env:"); ok {
		value := r.env[name]
		if value == "" {
			return registry.Secret{}, fmt.Errorf("names the environment variable %s, which is not set", name)
		}
		return registry.NewSecret(value), nil
	}
	var s registry.Secret
	if err := s.UnmarshalText([]byte(text)); err != nil {
		return registry.Secret{}, err
	}
	return s.Resolve(r.dir)
}

// wantsText reports whether a text in the file may give a value of the type:
// all but booleans and plain numbers.
func wantsText(t reflect.Type) bool {
	return t == durationType() || t == secretType() || isText(t) ||
		t.Kind() == reflect.String || t.Kind() == reflect.Int64
}

func isInteger(t reflect.Type) bool {
	whole := []reflect.Kind{
		reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64,
		reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64,
	}
	return t != durationType() && slices.Contains(whole, t.Kind())
}

func number(raw any) (float64, bool) {
	switch n := raw.(type) {
	case int:
		return float64(n), true
	case float64:
		return n, !math.IsNaN(n) && !math.IsInf(n, 0)
	default:
		return 0, false
	}
}

// describe says what a value of the type looks like.
func describe(t reflect.Type) string {
	switch kind := t.Kind(); {
	case t == secretType():
		return "a text, env:NAME or file:PATH"
	case t == durationType():
		return "a duration with its unit, such as 500ms, 30s or 5m"
	case isText(t):
		return "a text"
	case kind == reflect.Slice:
		return "a list, such as [a, b]"
	case kind == reflect.Bool:
		return "true or false"
	case kind == reflect.Float64:
		return "a number"
	case kind == reflect.Int64:
		return "a whole number of bytes, or a size such as 512KiB or 10MiB"
	case isInteger(t):
		return "a whole number"
	default:
		return `a text (put it in quotes)`
	}
}

// shown is a wrong value as the message repeats it.
func shown(raw any) string {
	switch v := raw.(type) {
	case string:
		if len(v) > 60 {
			v = v[:60] + "…"
		}
		return strconv.Quote(v)
	case []any:
		return "a list"
	case map[string]any, map[any]any:
		return "a mapping"
	case nil:
		return "empty"
	default:
		return fmt.Sprint(v)
	}
}
