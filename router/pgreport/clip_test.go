package pgreport_test

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/poolkeeper/poolkeeper/router/pgreport"
)

// filled returns a report with the text in every field that has one.
func filled(text string) *pgconn.PgError {
	e := &pgconn.PgError{Position: 1, InternalPosition: 2, Line: 3}
	for _, field := range reflect.ValueOf(e).Elem().Fields() {
		if field.Kind() == reflect.String {
			field.SetString(text)
		}
	}
	return e
}

func TestEveryTextOfAReportIsClipped(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 1<<20)
	given := filled(long)
	got := pgreport.Clip(given)
	if want := filled(strings.Repeat("x", pgreport.MaxText-3) + "…"); !reflect.DeepEqual(got, want) {
		t.Errorf("a text is %d bytes long, or a number changed: %.500v", len(got.Message), got)
	}
	if !reflect.DeepEqual(given, filled(long)) {
		t.Error("the report that was given changed")
	}
}

func TestAReportThatIsShortStaysTheSame(t *testing.T) {
	t.Parallel()
	for _, e := range []*pgconn.PgError{nil, {}, filled(strings.Repeat("x", pgreport.MaxText))} {
		if got := pgreport.Clip(e); got != e {
			t.Errorf("%.100v became %.100v", e, got)
		}
	}
}

func TestATextIsCutBetweenCharacters(t *testing.T) {
	t.Parallel()
	for _, character := range []string{"x", "ü", "€", "𝄞"} {
		for shift := range 5 {
			long := strings.Repeat("x", shift) + strings.Repeat(character, pgreport.MaxText+1)
			got := pgreport.Text(long)
			kept, marked := strings.CutSuffix(got, "…")
			if !marked || !utf8.ValidString(got) || !strings.HasPrefix(long, kept) || len(got) > pgreport.MaxText || len(got) < pgreport.MaxText-utf8.UTFMax {
				t.Errorf("%d × x, then %s: %d bytes, %q", shift, character, len(got), got[len(got)-12:])
			}
		}
	}
}

func TestWhatIsNoUTF8IsCutAllTheSame(t *testing.T) {
	t.Parallel()
	if got := pgreport.Text(strings.Repeat("\x80", 1<<20)); len(got) != pgreport.MaxText {
		t.Errorf("%d bytes", len(got))
	}
}

func ExampleClip() {
	e := pgreport.Clip(&pgconn.PgError{Code: "P0001", Message: strings.Repeat("no", 1_000_000)})
	fmt.Println(e.Code, len(e.Message), e.Message[len(e.Message)-7:])
	// Output: P0001 8192 onon…
}
