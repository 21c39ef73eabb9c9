// Package budget shares a fixed number of connections to one server among
// many holders: never more than the budget, fairly, and without leaving any
// unused while somebody waits. It knows nothing of sockets, PostgreSQL or
// tenants; it decides, and whoever uses it acts.
//
//	b := budget.New(budget.Config{Size: 50, Queue: 1000, Start: workers.Go})
//	a := b.Open(budget.Terms{Name: "acme", Max: 4, Weight: 1}, holder)
//	err := a.Ask(1, now)     // one caller waits: holder.Granted(slot) follows
//	a.Opened(0, 0)           // the connection is there, nobody waits any more
//	slot.Rest(now)           // it is idle: may be taken for somebody else …
//	slot.Take()              // … or back, by whoever comes first
//	slot.Free()              // its socket is gone
//
// # Words
//
//   - A slot is the permission for one socket, for as long as it exists.
//   - An account is one holder's: how many slots it holds, may hold, and wants.
//   - A slot rests while its connection is idle. A resting slot may be taken:
//     by its holder with Take, or by the budget for another account.
//   - A slot changes hands when the taker may use the connection as it is
//     (Terms.Takes); else the holder is told to close it (Evict), and its
//     permission goes to the one who waits when the socket is gone.
//
// # Who comes first
//
// The account that holds fewest slots in relation to its weight, and before
// all others one below its guarantee; among equals the one that has waited
// longest. That is weighted max-min fairness over connections. An account at
// its own maximum wants nothing, and so stands in nobody's way.
//
// A permission that is free is given at once, also to one for whom a slot is
// being closed; that slot is then for whoever waits next. When there is none, a
// resting slot is taken: a spare first, else the one that has rested longest,
// of an account above its guarantee. Whose account is rarely called counts as
// having rested for as long as it is between two calls (Account.Pace), so that
// one call does not keep the connections of busier ones away. Two rules keep connections from being
// tossed about: one used a moment ago is spared (StealAfter) until whoever
// waits has waited as long itself; and an account that holds more than the
// other would be left with, by weight, may only have what has rested for
// KeepWarm (unless it is below its guarantee). Among resting slots one that
// served the taker before is preferred, unless another has rested for far
// longer: the server's process still knows its tables. And one that would have
// to be closed has served for a while first (Tenure): opening is dear.
//
// While somebody waits, a slot that falls free goes to the first in this
// order, which may be the holder's own next caller (Slot.Yield).
//
// # Locks
//
// Budget.mu guards everything but what is atomic. Nothing slow happens under
// it: grants and evictions run where Config.Start puts them. Holders may call
// in with locks of their own held, for they are never called back under it.
package budget
