package main

import (
	"flag"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/poolkeeper/poolkeeper/bench/figures"
	"github.com/poolkeeper/poolkeeper/pools"
)

// options of a run.
type options struct {
	scale      figures.Scale
	figures    []int
	sql        []pools.SQL
	workloads  []string
	ways       []string
	out        string // "" writes nothing
	setUser    bool
	cpuProfile string
}

// given are the flags as they were written.
type given struct {
	quick, smoke, setUser              bool
	figures, workloads, ways, sql, out string
	cpuProfile                         string
	tenants, rounds                    int
	warm, load                         time.Duration
}

// results is where a full run is kept.
const results = "bench/results"

func parse(args []string, usage io.Writer) (*options, error) {
	var g given
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.SetOutput(usage)
	flags.BoolVar(&g.quick, "quick", false, "figures 1, 2, 4 and 6 (uniform) in less than a minute; writes nothing unless -out says where")
	flags.BoolVar(&g.smoke, "smoke", false, "every figure in seconds, to see that the program works; its numbers mean nothing")
	flags.StringVar(&g.figures, "figures", "", "numbers of the figures, such as 1,2,6; default all")
	flags.StringVar(&g.workloads, "workloads", "", "workloads of figure 6: hot,zipf,uniform; default all")
	flags.StringVar(&g.ways, "ways", "", "ways of figure 6 beside the limit, by parts of their names, such as untrusted,LOCAL; default all")
	flags.StringVar(&g.sql, "sql", "", "hygiene: untrusted, trusted or both; default untrusted, and both in a full run on PostgreSQL 18")
	flags.StringVar(&g.out, "out", "", "folder of the results; default "+results+" for a full run of all figures, else none")
	flags.BoolVar(&g.setUser, "set-user", false, "the server has the extension set_user: figure 2 measures spares of own logins too")
	flags.StringVar(&g.cpuProfile, "cpuprofile", "", "file for a profile, labelled by figure and way")
	flags.IntVar(&g.tenants, "tenants", 0, "tenants; default 1000")
	flags.IntVar(&g.rounds, "rounds", 0, "rounds of every comparison; default 5, 3 when quick")
	flags.DurationVar(&g.warm, "warm", 0, "how long figure 6 warms each way")
	flags.DurationVar(&g.load, "load", 0, "how long figures 5 and 6 measure in a round")
	if err := flags.Parse(args); err != nil {
		return nil, err
	}
	if flags.NArg() > 0 {
		return nil, fmt.Errorf("bench: %q is no flag", flags.Arg(0))
	}
	return g.options()
}

func (g *given) options() (*options, error) {
	o := &options{scale: figures.Full(), figures: figures.All(), out: g.out, setUser: g.setUser, cpuProfile: g.cpuProfile}
	switch {
	case g.quick:
		o.scale, o.figures = figures.Quick(), figures.QuickFigures()
	case g.smoke:
		o.scale = figures.Smoke()
	case g.out == "" && g.figures == "" && g.workloads == "" && g.ways == "":
		o.out = results
	}
	if g.figures != "" {
		o.figures = nil
		for text := range strings.SplitSeq(g.figures, ",") {
			number, err := strconv.Atoi(text)
			if err != nil || !slices.Contains(figures.All(), number) {
				return nil, fmt.Errorf("bench: -figures: %q is not one of 1 to 10", text)
			}
			o.figures = append(o.figures, number)
		}
	}
	o.workloads, o.ways = list(g.workloads), list(g.ways)
	for _, name := range o.workloads {
		if !slices.Contains(figures.Full().Workloads, name) {
			return nil, fmt.Errorf("bench: -workloads: %q is none of hot, zipf, uniform", name)
		}
	}
	g.resize(&o.scale)
	return o, o.hygiene(g.sql)
}

// resize changes the scale as the flags say.
func (g *given) resize(s *figures.Scale) {
	s.Shorten(g.warm, g.load)
	if g.rounds > 0 {
		s.Rounds = g.rounds
	}
	if g.tenants > 0 {
		s.Tenants = g.tenants
		s.Pools, s.Arrivals = min(s.Pools, g.tenants), min(s.Arrivals, g.tenants)
	}
}

func list(text string) []string {
	if text == "" {
		return nil
	}
	return strings.Split(text, ",")
}

func (o *options) hygiene(name string) error {
	switch name {
	case "":
	case "both":
		o.sql = []pools.SQL{pools.Untrusted, pools.Trusted}
	case string(pools.Untrusted), string(pools.Trusted):
		o.sql = []pools.SQL{pools.SQL(name)}
	default:
		return fmt.Errorf("bench: -sql: %q is none of untrusted, trusted, both", name)
	}
	return nil
}

// modes are those to measure on a server: both where they differ and there is
// time.
func (o *options) modes(version int) []pools.SQL {
	if o.sql != nil {
		return o.sql
	}
	if version >= 18 && o.scale.Name != "quick" {
		return []pools.SQL{pools.Untrusted, pools.Trusted}
	}
	return []pools.SQL{pools.Untrusted}
}
