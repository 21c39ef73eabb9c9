package pools

import "sync"

// workers counts the keeper's goroutines, so that Close can wait for them. A
// sync.WaitGroup would not do: whoever ends an errand's connection after Close
// starts one too, and may come in the moment in which Close finds none.
type workers struct {
	mu   sync.Mutex
	n    int
	none chan struct{} // closed when there are none; made by who waits
}

// Go runs fn on a goroutine of its own.
func (w *workers) Go(fn func()) {
	w.mu.Lock()
	w.n++
	w.mu.Unlock()
	go func() {
		defer w.done()
		fn()
	}()
}

func (w *workers) done() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.n--; w.n == 0 && w.none != nil {
		close(w.none)
		w.none = nil
	}
}

// Wait returns when there are none.
func (w *workers) Wait() {
	w.mu.Lock()
	if w.n == 0 {
		w.mu.Unlock()
		return
	}
	if w.none == nil {
		w.none = make(chan struct{})
	}
	none := w.none
	w.mu.Unlock()
	<-none
}
