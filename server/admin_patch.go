package server

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"

	"github.com/poolkeeper/poolkeeper/router"
)

// patchMax is the largest body of a change.
const patchMax = 64 << 10

// A knob is a whole number that an operator may change.
type knob struct {
	name        string
	value       *int
	least, most int
	// zero is how JSON writes 0, such as "auto" with its quotes; "" means as 0.
	zero string
	// otherwise tells of zero in an error.
	otherwise string
}

// text is the value as JSON writes it.
func (k knob) text() string {
	if *k.value == 0 && k.zero != "" {
		return k.zero
	}
	return strconv.Itoa(*k.value)
}

// set reads a value of JSON.
func (k knob) set(raw json.RawMessage) error {
	if k.zero != "" && string(raw) == k.zero {
		*k.value = 0
		return nil
	}
	n, err := strconv.Atoi(string(raw))
	if err != nil || n < k.least || n > k.most {
		return fmt.Errorf("must be a whole number from %d to %d%s", k.least, k.most, k.otherwise)
	}
	*k.value = n
	return nil
}

// patch sets knobs as body says: a JSON object that has any of their names.
func patch(body []byte, knobs []knob) error {
	o := object{verb: "changed"}
	for _, k := range knobs {
		o.members = append(o.members, member{k.name, k.set})
	}
	return o.read(body)
}

// unchanged answers for a change that the keeper refused. What is wrong with
// it is told; anything else is as everywhere.
func unchanged(err error) error {
	if router.ProblemOf(err).Status != http.StatusInternalServerError {
		return err
	}
	return badRequest(err.Error())
}
