package apikey_test

import (
	"encoding/base64"
	"fmt"
	"strings"
	"testing"

	"github.com/poolkeeper/poolkeeper/registry/apikey"
)

// A verb that does not fit has fmt look behind pointers, too.
func TestPrintingAPepperShowsNothingOfIt(t *testing.T) {
	t.Parallel()
	p := apikey.NewPepper()
	raw, err := base64.StdEncoding.DecodeString(p.Secret().Reveal())
	if err != nil {
		t.Fatal(err)
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d", "%t"} {
		for _, value := range []any{p, &p, struct{ p apikey.Pepper }{p}, []apikey.Pepper{p}} {
			text := fmt.Sprintf(verb, value)
			for _, shown := range []string{strings.Trim(fmt.Sprintf("%v", raw[:4]), "[]"), fmt.Sprintf("%x", raw[:4]), fmt.Sprintf("%#v", raw[:4])[7:25]} {
				if strings.Contains(text, shown) {
					t.Errorf("%s of %T shows it: %.200s", verb, value, text)
				}
			}
		}
	}
}
