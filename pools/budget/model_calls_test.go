package budget_test

import (
	"errors"
	"slices"

	"pgregory.net/rapid"

	"github.com/poolkeeper/poolkeeper/pools/budget"
)

// call has a caller come.
func (m *model) call(*rapid.T) {
	a := m.live(false)
	a.callers = append(a.callers, m.moment())
	err := a.Ask(len(a.callers), a.callers[0])
	m.runAll()
	if err != nil { // spares may have been opened when nobody waited any more
		for len(m.decided) > 0 && (m.decided[0].why != "" || !m.decided[0].to.terms.Spare) {
			m.next()
		}
		m.mustRefuse(a, err)
		a.callers = a.callers[:len(a.callers)-1]
	}
	m.settled()
	if err == nil {
		m.mustAdmit(a)
	}
}

// mustRefuse checks a refusal, of which the caller still counts.
func (m *model) mustRefuse(a *account, err error) {
	beyond := len(a.callers) - a.opening() - a.wants()
	switch {
	case errors.Is(err, budget.ErrOwnQueue) && beyond > a.terms.Queue:
	case errors.Is(err, budget.ErrQueue) && a.wants() > 0 && m.wants() > m.queue && !a.terms.Urgent:
	default:
		m.Fatalf("refused: %v; %d wait beyond what is to come", err, beyond)
	}
}

func (m *model) mustAdmit(a *account) {
	if len(a.callers)-a.opening()-a.wants() > a.terms.Queue {
		m.Fatalf("account %s: more than its queue", a.terms.Name)
	}
	if a.wants() > 0 && m.wants() > m.queue && !a.terms.Urgent {
		m.Fatal("more than the queue")
	}
}

// leave has a caller give up.
func (m *model) leave(t *rapid.T) {
	a := choose(m, slices.DeleteFunc(slices.Clone(m.accounts), func(a *account) bool { return len(a.callers) == 0 }))
	at := rapid.IntRange(0, len(a.callers)-1).Draw(t, "caller")
	a.callers = slices.Delete(a.callers, at, at+1)
	a.ask()
	m.settled()
}

// ask tells of fewer callers than before.
func (a *account) ask() {
	callers, since := a.waiting()
	if err := a.Ask(callers, since); err != nil && !a.closed {
		a.model.Fatalf("fewer callers are refused: %v", err)
	}
}

func (a *account) waiting() (int, int64) {
	if len(a.callers) == 0 {
		return 0, 0
	}
	return len(a.callers), a.callers[0]
}

// serve serves the account's first caller, if there is one.
func (a *account) serve() bool {
	if len(a.callers) == 0 {
		return false
	}
	a.callers = a.callers[1:]
	return true
}

// wait has time pass; the budget looks again, as its timer has it do.
func (m *model) wait(t *rapid.T) {
	m.minute += int64(rapid.SampledFrom([]int{1, 1, 1, 2, 5, 20, 60}).Draw(t, "minutes"))
	m.tick = 0
	m.budget.Resize(m.size, m.queue)
	m.settled()
}
