package storetest

import (
	"bufio"
	"io"
	"net"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// unknown is what a server answers to a client's greeting when it is older than
// that.
const unknown = "-ERR unknown command\r\n"

// Wire speaks the protocol of Redis and leaves the answers to the test.
type Wire struct {
	listener net.Listener
	answer   func(command []string) string
	conns    sync.WaitGroup

	// mu guards what follows. Nothing slow happens under it.
	mu   sync.Mutex
	open map[net.Conn]struct{}
}

// Listen starts a Wire that ends with the test. answer returns what is written
// for a command, as the protocol has it, "+OK\r\n" say; "" writes nothing, as
// a server that hangs does. It is called by many goroutines, and not for a
// client's greeting.
func Listen(t testing.TB, answer func(command []string) string) *Wire {
	t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w := &Wire{listener: listener, answer: answer, open: map[net.Conn]struct{}{}}
	w.conns.Go(w.accept)
	t.Cleanup(w.close)
	return w
}

// URL reaches it.
func (w *Wire) URL() string { return "redis://" + w.listener.Addr().String() }

func (w *Wire) accept() {
	for {
		conn, err := w.listener.Accept()
		if err != nil {
			return
		}
		w.mu.Lock()
		w.open[conn] = struct{}{}
		w.mu.Unlock()
		w.conns.Go(func() { w.serve(conn) })
	}
}

func (w *Wire) serve(conn net.Conn) {
	defer func() {
		w.mu.Lock()
		delete(w.open, conn)
		w.mu.Unlock()
		_ = conn.Close() // it is over
	}()
	in := bufio.NewReader(conn)
	for {
		command, err := read(in)
		if err != nil {
			return
		}
		answer := unknown
		if !strings.EqualFold(command[0], "hello") {
			answer = w.answer(command)
		}
		if _, err := io.WriteString(conn, answer); err != nil {
			return
		}
	}
}

// read reads an array of strings, which is what clients send.
func read(in *bufio.Reader) ([]string, error) {
	n, err := length(in)
	if err != nil {
		return nil, err
	}
	command := make([]string, 0, n)
	for range n {
		size, err := length(in)
		if err != nil {
			return nil, err
		}
		text := make([]byte, size+2)
		if _, err := io.ReadFull(in, text); err != nil {
			return nil, err
		}
		command = append(command, string(text[:size]))
	}
	return command, nil
}

// length reads the line *3 or $3.
func length(in *bufio.Reader) (int, error) {
	line, err := in.ReadString('\n')
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(strings.TrimSpace(line[1:]))
}

func (w *Wire) close() {
	_ = w.listener.Close() // whoever listens stops
	w.mu.Lock()
	for conn := range w.open {
		_ = conn.Close() // the other side may have closed it
	}
	w.mu.Unlock()
	w.conns.Wait()
}
