package adminapi_test

import (
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/poolkeeper/poolkeeper/cmd/poolkeeper/adminapi"
)

func TestAStreamOfEventsIsReadAsTheStandardSays(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, stream string
		want         []string
	}{
		{"one", "event: operation\nid: 1\ndata: {}\n\n", []string{"operation 1 {}"}},
		{"no name is message", "data: a\n\n", []string{"message  a"}},
		{"lines of data are joined", "data: a\ndata: b\ndata:\n\n", []string{"message  a\nb\n"}},
		{"only the first space is taken away", "data:  a\n\n", []string{"message   a"}},
		{"the id stays", "id: 7\ndata: a\n\ndata: b\n\n", []string{"message 7 a", "message 7 b"}},
		{"an id with NUL is none", "id: 7\nid: 8\x00\ndata: a\n\n", []string{"message 7 a"}},
		{"the name does not stay", "event: x\ndata: a\n\ndata: b\n\n", []string{"x  a", "message  b"}},
		{"CRLF and CR end lines", "data: a\r\n\r\ndata: b\r\rdata: c\n\n", []string{"message  a", "message  b", "message  c"}},
		{"comments and unknown fields are skipped", ": ping\nretry: 5\nfoo\ndata: a\n\n", []string{"message  a"}},
		{"an event without data is none", "event: x\n\ndata: a\n\n", []string{"message  a"}},
		{"an unfinished event is dropped", "data: a\n\ndata: b\n", []string{"message  a"}},
		{"a mark of byte order is skipped", "\uFEFFdata: a\n\n", []string{"message  a"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			for how, from := range map[string]io.Reader{
				"at once": strings.NewReader(c.stream), "by the byte": iotest.OneByteReader(strings.NewReader(c.stream)),
			} {
				if got, err := adminapi.EventsOf(from); err != nil || !slices.Equal(got, c.want) {
					t.Errorf("%s: %q, %v; want %q", how, got, err, c.want)
				}
			}
		})
	}
}

func TestAStreamThatBreaksOrNeverEndsALineIsAnError(t *testing.T) {
	t.Parallel()
	lost := errors.New("lost")
	got, err := adminapi.EventsOf(io.MultiReader(strings.NewReader("data: a\n\ndata: b"), iotest.ErrReader(lost)))
	if !errors.Is(err, lost) || !slices.Equal(got, []string{"message  a"}) {
		t.Errorf("%q, %v", got, err)
	}
	if _, err := adminapi.EventsOf(strings.NewReader(strings.Repeat("x", 17<<20))); err == nil {
		t.Error("a line without end is read into memory")
	}
	line := "data: " + strings.Repeat("x", 1<<20) + "\n"
	if _, err := adminapi.EventsOf(strings.NewReader(strings.Repeat(line, 17))); err == nil {
		t.Error("an event without end is read into memory")
	}
}

// FuzzEvents holds that what is read does not depend on how the bytes arrive,
// nor on how lines end.
func FuzzEvents(f *testing.F) {
	for _, seed := range []string{"event: operation\nid: 1\ndata: {}\n\n", "data: a\r\n\r\n", ":\n\r\r\n", "\uFEFFdata\n\n", "id: \x00\ndata: b\n\n"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, stream string) {
		whole, err := adminapi.EventsOf(strings.NewReader(stream))
		if err != nil {
			t.Fatal(err)
		}
		slow, err := adminapi.EventsOf(iotest.OneByteReader(strings.NewReader(stream)))
		if err != nil || !slices.Equal(whole, slow) {
			t.Fatalf("at once %q, by the byte %q, %v", whole, slow, err)
		}
		plain := strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(stream)
		if ends, err := adminapi.EventsOf(strings.NewReader(plain)); err != nil || !slices.Equal(whole, ends) {
			t.Fatalf("%q, with newlines %q, %v", whole, ends, err)
		}
	})
}
