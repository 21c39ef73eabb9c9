package control_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/poolkeeper/poolkeeper/registry/apikey"
	"github.com/poolkeeper/poolkeeper/registry/control"
)

// The error is written into the audit trail.
func TestAWholeTextThatIsGivenForAnIDIsNotRepeated(t *testing.T) {
	t.Parallel()
	d := newWorld(t).open()
	text, named := apikey.Generate()
	_, err := d.RevokeKey(soon(t), id("acme"), text.Reveal())
	if !errors.Is(err, control.ErrNoKey) {
		t.Fatal(err)
	}
	if strings.Contains(err.Error(), named+"_") {
		t.Errorf("got %v, with some of what is secret", err)
	}
}
