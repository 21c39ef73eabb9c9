package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"
)

// ask prints the question and returns what was typed. Without a terminal
// nobody can be asked: then it is a usage error that says what instead.
func (c *console) ask(cmd *cobra.Command, question, instead string) (string, error) {
	if !isTerminal(cmd.InOrStdin()) {
		return "", usageError{errors.New(instead)}
	}
	fmt.Fprint(c.app.Stderr, question)
	return readLine(cmd.Context(), cmd.InOrStdin())
}

// readLine reads a line, or gives up with ctx. The goroutine that reads a
// terminal cannot be woken, and then stays until the program ends, which is
// what comes next.
func readLine(ctx context.Context, from io.Reader) (string, error) {
	type answer struct {
		text string
		err  error
	}
	answers := make(chan answer, 1)
	go func() {
		text, err := bufio.NewReader(from).ReadString('\n')
		answers <- answer{text, err}
	}()
	select {
	case a := <-answers:
		if a.err != nil && !errors.Is(a.err, io.EOF) {
			return "", fmt.Errorf("reading the answer: %w", a.err)
		}
		return strings.TrimSpace(a.text), nil
	case <-ctx.Done():
		return "", ctx.Err()
	}
}
