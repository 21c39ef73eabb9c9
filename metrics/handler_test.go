package metrics_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"google.golang.org/protobuf/encoding/protodelim"

	"github.com/poolkeeper/poolkeeper/metrics"
)

const (
	asOpenMetrics = "application/openmetrics-text; version=1.0.0"
	asProtobuf    = "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited"
)

// scrape gets the handler's answer.
func scrape(t *testing.T, m *metrics.Metrics, accept string) (*http.Response, string) {
	t.Helper()
	w := httptest.NewRecorder()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/metrics", nil)
	r.Header.Set("Accept", accept)
	m.Handler().ServeHTTP(w, r)
	body, err := io.ReadAll(w.Result().Body)
	if err != nil {
		t.Fatal(err)
	}
	return w.Result(), string(body)
}

func TestTheHandlerServesTextByDefault(t *testing.T) {
	t.Parallel()
	resp, body := scrape(t, filled(), "")
	defer resp.Body.Close()
	if ct := resp.Header.Get("Content-Type"); resp.StatusCode != 200 || !strings.HasPrefix(ct, "text/plain") {
		t.Errorf("%d %s", resp.StatusCode, ct)
	}
	for _, want := range []string{"\npoolkeeper_pools{", "\ngo_goroutines ", "\nprocess_start_time_seconds ", "\npromhttp_metric_handler_errors_total{"} {
		if !strings.Contains(body, want) {
			t.Errorf("no line begins with %q", want)
		}
	}
}

func TestTheHandlerServesOpenMetrics(t *testing.T) {
	t.Parallel()
	resp, body := scrape(t, filled(), asOpenMetrics)
	defer resp.Body.Close()
	if ct := resp.Header.Get("Content-Type"); !strings.HasPrefix(ct, "application/openmetrics-text") {
		t.Errorf("Content-Type %s", ct)
	}
	if !strings.HasSuffix(body, "# EOF\n") || !strings.Contains(body, "# TYPE poolkeeper_leases counter\n") {
		t.Error("the body is not OpenMetrics")
	}
}

func TestTheHandlerServesNativeHistogramsInProtobuf(t *testing.T) {
	t.Parallel()
	resp, body := scrape(t, filled(), asProtobuf)
	defer resp.Body.Close()
	for in := strings.NewReader(body); ; {
		f := &dto.MetricFamily{}
		if err := protodelim.UnmarshalFrom(in, f); err != nil {
			t.Fatalf("no native histogram: %v", err)
		}
		if f.GetName() == "poolkeeper_acquire_duration_seconds" {
			if len(f.GetMetric()[0].GetHistogram().GetPositiveSpan()) == 0 {
				t.Error("no native buckets")
			}
			return
		}
	}
}

func TestTheHandlerMayBeAskedForTwice(t *testing.T) {
	t.Parallel()
	m := filled()
	m.Handler()
	resp, _ := scrape(t, m, "")
	defer resp.Body.Close()
	if resp.StatusCode != 200 {
		t.Errorf("status %d", resp.StatusCode)
	}
}

func TestWhatCannotBeCollectedIsLeftOutAndCounted(t *testing.T) {
	t.Parallel()
	m := filled()
	bad := prometheus.NewDesc("broken", "Broken.", nil, nil)
	m.Registry().MustRegister(collectorFunc(func(ch chan<- prometheus.Metric) {
		ch <- prometheus.NewInvalidMetric(bad, io.ErrUnexpectedEOF)
	}))
	first, _ := scrape(t, m, "")
	defer first.Body.Close()
	second, body := scrape(t, m, "")
	defer second.Body.Close()
	if first.StatusCode != 200 || !strings.Contains(body, "poolkeeper_pools{") {
		t.Errorf("status %d, %d bytes", first.StatusCode, len(body))
	}
	if !strings.Contains(body, `promhttp_metric_handler_errors_total{cause="gathering"} 1`) {
		t.Error("the error was not counted")
	}
}

// collectorFunc is a collector that describes nothing.
type collectorFunc func(chan<- prometheus.Metric)

func (collectorFunc) Describe(chan<- *prometheus.Desc)      {}
func (f collectorFunc) Collect(ch chan<- prometheus.Metric) { f(ch) }
