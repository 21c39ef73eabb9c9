package doctor_test

import "testing"

func TestWithoutAPoolerNoneIsFound(t *testing.T) {
	t.Parallel()
	newWard(t).silent("pooler")
}
