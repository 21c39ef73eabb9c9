package adminapi_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/poolkeeper/poolkeeper/cmd/poolkeeper/adminapi"
)

func local(t *testing.T, handler http.HandlerFunc) *adminapi.Client {
	t.Helper()
	return client(t, adminapi.Config{Server: "http://localhost", Transport: adminapi.InProcess(handler)})
}

func TestARequestInTheProcessLooksLikeOneFromThisMachine(t *testing.T) {
	t.Parallel()
	c := local(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		w.Header().Set("Etag", `"3"`)
		w.WriteHeader(http.StatusCreated)
		w.Header().Set("Late", "is not sent")
		_, _ = fmt.Fprintf(w, "%q", strings.Join([]string{r.RemoteAddr, r.RequestURI, r.Host, string(body)}, " "))
	})
	answer, err := c.Do(t.Context(), adminapi.Call{Method: http.MethodPost, Path: []string{"tenants"}, Body: "x"})
	if err != nil || string(answer.Body) != `"127.0.0.1:1 /v1/tenants localhost \"x\""` {
		t.Errorf("%s %v", answer.Body, err)
	}
	if answer.Status != http.StatusCreated || answer.Header.Get("Etag") != `"3"` || answer.Header.Get("Late") != "" {
		t.Errorf("%d %v", answer.Status, answer.Header)
	}
}

func TestAnAnswerInTheProcessStreams(t *testing.T) {
	t.Parallel()
	goOn := make(chan struct{})
	c := local(t, func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "one\n")
		<-goOn
		_, _ = io.WriteString(w, "two\n")
	})
	resp, err := c.Open(t.Context(), get("operations", "7", "events"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	lines := bufio.NewScanner(resp.Body)
	if !lines.Scan() || lines.Text() != "one" {
		t.Fatalf("%q %v", lines.Text(), lines.Err())
	}
	close(goOn)
	if !lines.Scan() || lines.Text() != "two" || lines.Scan() || lines.Err() != nil {
		t.Fatalf("%q %v", lines.Text(), lines.Err())
	}
}

func TestAHandlerInTheProcessEndsWithItsReader(t *testing.T) {
	t.Parallel()
	for name, leave := range map[string]func(context.CancelFunc, *http.Response){
		"who closes the body":  func(_ context.CancelFunc, resp *http.Response) { _ = resp.Body.Close() },
		"who ends the context": func(cancel context.CancelFunc, _ *http.Response) { cancel() },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ended := make(chan error, 1)
			c := local(t, func(w http.ResponseWriter, r *http.Request) {
				_ = http.NewResponseController(w).Flush()
				<-r.Context().Done()
				_, err := io.WriteString(w, "nobody reads this")
				ended <- err
			})
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			resp, err := c.Open(ctx, get("tenants"))
			if err != nil {
				t.Fatal(err)
			}
			leave(cancel, resp)
			if err := <-ended; err == nil {
				t.Error("the handler could write on")
			}
			_ = resp.Body.Close()
		})
	}
}

func TestACallerDoesNotWaitForAHandlerThatIsSilent(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	c := local(t, func(_ http.ResponseWriter, r *http.Request) {
		cancel()
		<-r.Context().Done()
		close(ended)
	})
	if _, err := c.Do(ctx, get("tenants")); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	<-ended
}

func TestAHandlerThatPanicsEndsItsOwnAnswer(t *testing.T) {
	t.Parallel()
	c := local(t, func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "[")
		panic("oh no")
	})
	if _, err := c.Do(t.Context(), get("tenants")); !errors.Is(err, adminapi.ErrUnreachable) {
		t.Error(err)
	}
}

func TestAnEmptyAnswerHasNoBody(t *testing.T) {
	t.Parallel()
	c := local(t, func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusNoContent)
		if _, err := io.WriteString(w, "x"); !errors.Is(err, http.ErrBodyNotAllowed) {
			t.Error(err)
		}
	})
	answer, err := c.Do(t.Context(), get("tenants"))
	if err != nil || answer.Status != http.StatusNoContent || len(answer.Body) != 0 {
		t.Errorf("%+v %v", answer, err)
	}
}
