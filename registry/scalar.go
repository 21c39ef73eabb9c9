package registry

import (
	"fmt"
	"time"

	"go.yaml.in/yaml/v3"
)

// given is a value that somebody wrote; the zero given was not written.
type given[T any] struct {
	value T
	at    position
}

func (g given[T]) set() bool { return g.at != position{} }

// or returns g when it was written, else the other.
func (g given[T]) or(other given[T]) given[T] {
	if g.set() {
		return g
	}
	return other
}

// text reads a scalar as it stands: 007 stays "007".
func (r *reader) text(p pair, field string, check func(string) string) given[string] {
	g := given[string]{at: p.at}
	if !r.scalar(p, field) {
		return g
	}
	g.value = p.value.Value
	if check != nil {
		r.wrong(p, field, check(g.value))
	}
	return g
}

// scalar reports whether a pair's value is one, and says what is wrong if not.
func (r *reader) scalar(p pair, field string) bool {
	switch {
	case p.value.Kind != yaml.ScalarNode:
		r.wrong(p, field, "must be a single value, not a mapping or a list")
	case isNull(p.value):
		r.wrong(p, field, "is empty; leave the key out, or give a value")
	case p.value.Tag != "!!str" && p.value.Tag != "!!int" && p.value.Tag != "!!float" &&
		p.value.Tag != "!!bool" && p.value.Tag != "!!timestamp" && p.value.Tag != "!!merge":
		r.wrong(p, field, "has the tag "+quote(p.value.Tag)+", which means nothing here")
	default:
		return true
	}
	return false
}

// secret reads a text without resolving it. Its value is in no message.
func (r *reader) secret(p pair, field string) given[Secret] {
	g := given[Secret]{at: p.at}
	if !r.scalar(p, field) {
		return g
	}
	if err := g.value.UnmarshalText([]byte(p.value.Value)); err != nil {
		r.wrong(p, field, err.Error())
	} else if g.value.IsZero() {
		r.wrong(p, field, "is empty; leave the key out, or write the text, env:NAME or file:PATH")
	}
	return g
}

func (r *reader) flag(p pair, field string) given[bool] {
	g := given[bool]{at: p.at}
	if p.value.Kind != yaml.ScalarNode || p.value.Tag != "!!bool" {
		r.wrong(p, field, "must be true or false, without quotes")
		return g
	}
	if p.value.Decode(&g.value) != nil {
		r.wrong(p, field, "must be true or false")
	}
	return g
}

func (r *reader) count(p pair, field string, limit int, section string) given[int] {
	return r.whole(p, field, 0, limit, func(n int) string { return checkCount(n, limit, section) })
}

func (r *reader) weight(p pair, field string) given[int] {
	return r.whole(p, field, 1, maxWeight, checkWeight)
}

func (r *reader) whole(p pair, field string, least, most int, check func(int) string) given[int] {
	g := given[int]{at: p.at}
	if p.value.Kind != yaml.ScalarNode || p.value.Tag != "!!int" || p.value.Decode(&g.value) != nil {
		r.wrong(p, field, fmt.Sprintf("must be a whole number of %d to %d, without quotes", least, most))
		return g
	}
	r.wrong(p, field, check(g.value))
	return g
}

func (r *reader) duration(p pair, field string, check func(time.Duration) string) given[time.Duration] {
	g := given[time.Duration]{at: p.at}
	if !r.scalar(p, field) {
		return g
	}
	var err error
	if g.value, err = time.ParseDuration(p.value.Value); err != nil {
		r.wrong(p, field, "is "+quote(p.value.Value)+`; it must be a duration with its unit, such as "500ms", "30s" or "5m"`)
		return g
	}
	r.wrong(p, field, check(g.value))
	return g
}

// rate reads a number that may have a fraction.
func (r *reader) rate(p pair, field string) given[float64] {
	g := given[float64]{at: p.at}
	if p.value.Kind != yaml.ScalarNode || p.value.Tag != "!!int" && p.value.Tag != "!!float" || p.value.Decode(&g.value) != nil {
		r.wrong(p, field, "must be a number, such as 5 or 0.5, without quotes")
		return g
	}
	r.wrong(p, field, checkRate(g.value))
	return g
}

// size reads a number of bytes, with a unit or without.
func (r *reader) size(p pair, field string) given[int64] {
	g := given[int64]{at: p.at}
	if !r.scalar(p, field) {
		return g
	}
	var ok bool
	if g.value, ok = ParseSize(p.value.Value); !ok {
		r.wrong(p, field, "is "+quote(p.value.Value)+"; it must be a whole number of bytes, or a size such as 512KiB or 10MiB")
		return g
	}
	r.wrong(p, field, checkBytes(g.value))
	return g
}

func (r *reader) wrong(p pair, field, message string) {
	if message != "" {
		r.problems.add(p.at, field, "%s", message)
	}
}
