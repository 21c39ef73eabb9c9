package metrics

import (
	"errors"
	"time"

	"github.com/poolkeeper/poolkeeper/router/admission"
	"github.com/poolkeeper/poolkeeper/router/admission/store"
)

// storeResting is the outcome of a question that was not asked.
const storeResting = "resting"

// Admitted counts a request that asked to be admitted; a refusal is among the
// refusals too, where the router tells of it. It is part of
// admission.Observer.
func (m *Metrics) Admitted(err error) { m.admitted.at(admissionOutcome(err)).Inc() }

func admissionOutcome(err error) string {
	switch {
	case err == nil:
		return resultOK
	case errors.Is(err, admission.ErrRate):
		return "rate"
	case errors.Is(err, admission.ErrInFlight):
		return "in_flight"
	default:
		return "store"
	}
}

// StoreAsked counts a question to the shared store. It is part of
// admission.Observer.
func (m *Metrics) StoreAsked(took time.Duration, err error) {
	switch {
	case err == nil:
		m.asked.at(resultOK).Inc()
		m.answers.Observe(took.Seconds())
	case errors.Is(err, store.ErrResting):
		m.asked.at(storeResting).Inc()
	default:
		m.asked.at(resultFailed).Inc()
	}
}
