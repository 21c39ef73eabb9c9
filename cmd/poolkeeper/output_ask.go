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

// canAsk wants somebody at a terminal; else it is a usage error that says what
// instead.
func canAsk(cmd *cobra.Command, instead string) error {
	if !isTerminal(cmd.InOrStdin()) {
		return usageError{errors.New(instead)}
	}
	return nil
}

// ask prints the question and returns what was typed.
func (c *console) ask(cmd *cobra.Command, question string) (string, error) {
	fmt.Fprint(c.app.Stderr, question)
	text, err := readLine(cmd.Context(), cmd.InOrStdin())
	if err != nil {
		fmt.Fprintln(c.app.Stderr) // nobody has ended the line
	}
	return text, err
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
