package sqlwire_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/poolkeeper/poolkeeper/internal/pgtest"
	"github.com/poolkeeper/poolkeeper/router/pgreport"
	"github.com/poolkeeper/poolkeeper/server/sqlwire"
)

func sharedDSN(database string) string { return pgtest.Shared().AdminDSN(database) }

// errorKeys returns the error body as a client reads it; it must always have all 17 keys.
func errorKeys(t *testing.T, err error) map[string]*string {
	t.Helper()
	if err == nil {
		t.Error("no error")
		return nil
	}
	body, marshalErr := json.Marshal(sqlwire.ErrorBody(err))
	if marshalErr != nil {
		t.Fatal(marshalErr)
	}
	var keys map[string]*string
	unmarshal(t, body, &keys)
	if len(keys) != 17 {
		t.Errorf("%d keys: %s", len(keys), body)
	}
	return keys
}

func TestAnErrorBodyHasAllKeysInOrder(t *testing.T) {
	t.Parallel()
	full := &pgconn.PgError{
		Severity: "ERROR", Code: "23505", Message: `m"`, Detail: "d", Hint: "h", Position: 1, InternalPosition: 2, InternalQuery: "iq", Where: "w",
		SchemaName: "s", TableName: "t", ColumnName: "c", DataTypeName: "dt", ConstraintName: "cn", File: "f.c", Line: 3, Routine: "r",
	}
	for _, tt := range []struct {
		err  error
		want string
	}{
		{fmt.Errorf("wrapped: %w", full), `{"message":"m\"","code":"23505","detail":"d","hint":"h","position":"1","internalPosition":"2","internalQuery":"iq","severity":"ERROR","where":"w",` +
			`"table":"t","column":"c","schema":"s","dataType":"dt","constraint":"cn","file":"f.c","line":"3","routine":"r"}`},
		{&pgconn.PgError{}, `{"message":"","code":null,"detail":null,"hint":null,"position":null,"internalPosition":null,"internalQuery":null,"severity":null,"where":null,` +
			`"table":null,"column":null,"schema":null,"dataType":null,"constraint":null,"file":null,"line":null,"routine":null}`},
	} {
		got, err := json.Marshal(sqlwire.ErrorBody(tt.err))
		if err != nil || string(got) != tt.want {
			t.Errorf("got %s, %v", got, err)
		}
	}
}

func TestErrorsOfOtherKindsTellNoSecrets(t *testing.T) {
	t.Parallel()
	secret := errors.New("dial tcp 10.1.2.3:5432: password=hunter2")
	for _, tt := range []struct {
		err           error
		message, code string
	}{
		{&sqlwire.BadRequestError{Message: "query must be a string"}, "query must be a string", ""},
		{&sqlwire.TooLargeError{Max: 7}, "response is too large (max is 7 bytes)", ""},
		{sqlwire.ErrCopy, "COPY is not supported over HTTP", "0A000"},
		{fmt.Errorf("x: %w", context.DeadlineExceeded), "query cancelled: its deadline passed", "57014"},
		{context.Canceled, "Query cancelled, connection was terminated", "08P01"},
		{fmt.Errorf("x: %w", io.ErrUnexpectedEOF), "connection to the database was lost", "08006"},
		{&net.OpError{Op: "read", Err: secret}, "connection to the database was lost", "08006"},
		{secret, "internal error", ""},
	} {
		keys := errorKeys(t, tt.err)
		code := ""
		if keys["code"] != nil {
			code = *keys["code"]
		}
		if *keys["message"] != tt.message || code != tt.code {
			t.Errorf("%v: got %q %q", tt.err, *keys["message"], code)
		}
		body, err := json.Marshal(sqlwire.ErrorBody(tt.err))
		if err != nil || strings.Contains(string(body), "hunter2") || strings.Contains(string(body), "10.1.2.3") {
			t.Errorf("%s, %v", body, err)
		}
	}
}

// raising is a statement that fails with a message of n bytes.
func raising(n int) string {
	return fmt.Sprintf(`do $$ begin raise exception using message = repeat(E'\x01', %d), detail = 'd', hint = repeat('h', 10000); end $$`, n)
}

func TestTheTextsOfAnErrorAreClipped(t *testing.T) {
	t.Parallel()
	pg := connect(t)
	for name, req := range map[string]sqlwire.Request{"single": single(raising(5 << 20)), "batch": batch("select 1", raising(5<<20))} {
		_, outcome, err := run(t, pg, req, sqlwire.Options{})
		keys := errorKeys(t, err)
		if outcome.Discard || *keys["code"] != "P0001" || len(*keys["message"]) > pgreport.MaxText || len(*keys["hint"]) > pgreport.MaxText || *keys["detail"] != "d" {
			t.Errorf("%s: %+v, a message of %d bytes", name, outcome, len(*keys["message"]))
		}
	}
}

func TestAnErrorThatIsLongerThanAnAnswerMayBeIsNotRead(t *testing.T) {
	t.Parallel()
	_, outcome, err := run(t, connect(t), single(raising(21<<20)), sqlwire.Options{})
	if _, large := errors.AsType[*sqlwire.TooLargeError](err); !large || !outcome.Discard {
		t.Errorf("%.200v, %+v", err, outcome)
	}
	// In a batch the driver forgets why it closed the connection.
	_, outcome, err = run(t, connect(t), batch("select 1", raising(21<<20)), sqlwire.Options{})
	if _, read := errors.AsType[*pgconn.PgError](err); err == nil || read || !outcome.Discard {
		t.Errorf("batch: %.200v, %+v", err, outcome)
	}
}
