package figures

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"runtime/pprof"
	"strconv"
	"time"

	"github.com/poolkeeper/poolkeeper/bench/measure"
	"github.com/poolkeeper/poolkeeper/bench/report"
	"github.com/poolkeeper/poolkeeper/bench/ways"
	"github.com/poolkeeper/poolkeeper/bench/world"
)

// webClient asks one way for tenants' rows.
type webClient struct {
	http    *http.Client
	idle    *http.Transport
	tenants []world.Tenant
	urls    []string // by row
}

func newWebClient(url string, tenants []world.Tenant) *webClient {
	transport := &http.Transport{MaxIdleConnsPerHost: httpClients, DisableCompression: true}
	c := &webClient{http: &http.Client{Transport: transport, Timeout: time.Minute}, idle: transport, tenants: tenants}
	for row := range world.Rows {
		c.urls = append(c.urls, url+"?row="+strconv.Itoa(row+1))
	}
	return c
}

func (c *webClient) close() { c.idle.CloseIdleConnections() }

// ask reads one row of the tenant and checks whose it is.
func (c *webClient) ask(ctx context.Context, t *world.Tenant, row int) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.urls[row], http.NoBody)
	if err != nil {
		return err
	}
	req.Header[ways.Header] = []string{t.Name}
	res, err := c.http.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = res.Body.Close() }()
	text, err := io.ReadAll(io.LimitReader(res.Body, 4096))
	if err != nil {
		return err
	}
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("tenant %s is answered %d: %s", t.Name, res.StatusCode, bytes.TrimSpace(text))
	}
	return measure.Check(t.Name, string(text))
}

// warm does what hours of traffic would: the way's own warming, then clients.
// The limit has everything prepared by then.
func (b *Bench) warm(ctx context.Context, load workload, c *contender) error {
	if err := c.Warm(ctx); err != nil {
		return err
	}
	how := b.Scale.Warm
	if c.Name == ways.LimitName {
		how /= 4
	}
	o := b.ask(ctx, load, c, how, 1<<32)
	if c.needsNoErrors() {
		b.check("figure 6, "+load.name+", warming "+c.Name, o)
	}
	return ctx.Err()
}

// ask has all clients ask a way.
func (b *Bench) ask(ctx context.Context, load workload, c *contender, how time.Duration, seed uint64) *measure.Outcome {
	return measure.Load{
		Clients: httpClients, Duration: how, Seed: seed,
		Ask: func(ctx context.Context, _ int, random *rand.Rand) error {
			return c.client.ask(ctx, &b.World.Tenants[load.pick(random)], random.IntN(world.Rows))
		},
	}.Run(ctx)
}

// needsNoErrors tells the limit and Poolkeeper from the ways that fail when
// connections run out, whose errors are counted.
func (c *contender) needsNoErrors() bool { return c.Events != nil || c.Name == ways.LimitName }

// measureWay is a way's turn in a round.
func (b *Bench) measureWay(ctx context.Context, load workload, c *contender, seed uint64) {
	var before world.Count
	if c.Events != nil {
		before = c.Events.Count()
	}
	var o *measure.Outcome
	pprof.Do(ctx, pprof.Labels("way", c.Name+", client"), func(ctx context.Context) { o = b.ask(ctx, load, c, b.Scale.Load, seed) })
	if c.Events != nil {
		c.did = c.did.Plus(c.Events.Count().Minus(before))
	}
	where := "figure 6, " + load.name + ", " + c.Name
	if c.needsNoErrors() {
		b.check(where, o)
	} else {
		b.checkRows(where, o)
	}
	c.rate = append(c.rate, o.Rate())
	c.p50, c.p99 = append(c.p50, measure.Milliseconds(o.P(50))), append(c.p99, measure.Milliseconds(o.P(99)))
	c.total.Add(o)
}

// addRows adds the workload's rows; the first contender is the limit.
func (b *Bench) addRows(load workload, all []*contender, throughput, events *report.Figure) {
	limit := all[0]
	bars := &report.Series{Plot: report.PlotThroughput, Name: load.text}
	for i, c := range all {
		rate := (&rounds{c.rate, limit.rate}).row(load.text+": "+c.Name, "requests/s", ways.LimitName)
		rate.More = map[string]float64{"p50 ms": measure.Median(c.p50), "failed": float64(c.total.Failed), "answered": float64(c.total.Right)}
		slow := (&rounds{c.p99, limit.p99}).row(load.text+": "+c.Name+", p99", "ms", ways.LimitName)
		if i == 0 {
			rate.Baseline, rate.Ratio, slow.Baseline, slow.Ratio = "", 0, "", 0
		} else {
			bars.X, bars.Y = append(bars.X, float64(i)), append(bars.Y, rate.Ratio)
			bars.Labels = append(bars.Labels, c.Name)
		}
		if c.Events != nil {
			rate.Aim = report.RatioAtLeast(load.aim)
			rate.Short = load.name + " " + c.Name
		}
		throughput.Add(rate)
		throughput.Add(slow)
		if c.total.Failed > 0 {
			throughput.Note("%s: %s: first of %d errors: %v", load.text, c.Name, c.total.Failed, c.total.Err)
		}
		if c.Events != nil {
			addEvents(events, load.text+": "+c.Name, c)
		}
	}
	throughput.Series = append(throughput.Series, bars)
}

// addEvents adds figure 7's rows of a way.
func addEvents(f *report.Figure, name string, c *contender) {
	served := float64(max(1, c.did.Warm+c.did.Handoff+c.did.Spare+c.did.Dial))
	seconds := c.total.Took.Seconds()
	for _, share := range []struct {
		name string
		n    int64
	}{{"warm", c.did.Warm}, {"by handoff", c.did.Handoff}, {"by spare", c.did.Spare}, {"by dial", c.did.Dial}} {
		f.Add(&report.Row{Name: name + ": served " + share.name, Unit: "%", Value: 100 * float64(share.n) / served})
	}
	per := func(n int64) float64 { return float64(n) / seconds }
	f.Add(&report.Row{
		Name: name + ": connections handed over", Unit: "per second", Value: per(c.did.HandedOver),
		More: map[string]float64{
			"connections dialled per second": per(c.did.Dialled), "closed per second": per(c.did.Closed - c.did.Given), "stolen per second": per(c.did.Stolen),
			"pools opened per second": per(c.did.PoolsOpened), "pools retired per second": per(c.did.PoolsRetired), "refused": float64(c.did.Refused),
		},
	})
}
