package onboard

import "context"

// stepsKey is where a context carries who is told of steps.
type stepsKey struct{}

// WithSteps returns a context with which the calls of a [Provisioner] tell
// every step before it begins, by a name that stays the same from release to
// release: for a journal, for progress, and for tests that end the process
// there. What a step changes it changes in one statement or one transaction,
// or looks before each, so that between two steps and within one a crash is
// healed by the same call again. told is called by the goroutine that does the
// work.
func WithSteps(ctx context.Context, told func(step string)) context.Context {
	return context.WithValue(ctx, stepsKey{}, told)
}

// tell tells a step; the error is the context's, which may have ended.
func tell(ctx context.Context, step string) error {
	if told, ok := ctx.Value(stepsKey{}).(func(string)); ok {
		told(step)
	}
	return ctx.Err()
}
