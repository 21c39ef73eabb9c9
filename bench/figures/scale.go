package figures

import "time"

// Scale is how much a run measures.
type Scale struct {
	Name            string
	Tenants, Owners int
	// Rounds of every comparison.
	Rounds int
	// Hot is how long each benchmark of figure 1 takes; HotAll measures a
	// single caller over all tenants too.
	Hot    time.Duration
	HotAll bool
	// ColdEach is how many cold tenants are asked one by one in a round of
	// figure 2, ColdBursts how often ColdAtOnce of them together.
	ColdEach, ColdBursts, ColdAtOnce int
	// ColdAll measures every variant of figure 2, not only the aims'.
	ColdAll bool
	// Pools and Conns are how many of each figure 3 opens.
	Pools, Conns int
	// Arrivals is how many cold tenants come at once in figure 4.
	Arrivals int
	// Fair is how long each phase of figure 5 takes.
	Fair time.Duration
	// Warm is how long clients warm a way of figure 6, Load how long they
	// then measure it in a round.
	Warm, Load time.Duration
	// Workloads of figure 6, Naive whether the ways that people write
	// themselves are measured too.
	Workloads []string
	Naive     bool
	// Records is how many tenants figure 8 registers.
	Records int
	// Fleet is how many tenants figure 9 migrates, Signups how many figure
	// 10 adds in each way.
	Fleet, Signups int
}

// Full measures everything.
func Full() Scale {
	return Scale{
		Name: "full", Tenants: 1000, Owners: 300, Rounds: 5,
		Hot: 500 * time.Millisecond, HotAll: true, ColdEach: 150, ColdBursts: 8, ColdAtOnce: 32, ColdAll: true,
		Pools: 1000, Conns: 100, Arrivals: 1000, Fair: 3 * time.Second,
		Warm: 12 * time.Second, Load: 3 * time.Second,
		Workloads: []string{WorkloadHot, WorkloadZipf, WorkloadUniform}, Naive: true, Records: 100_000,
		Fleet: 1000, Signups: 50,
	}
}

// Quick measures figures 1, 2, 4 and 6 in less than a minute.
func Quick() Scale {
	s := Full()
	s.Name, s.Rounds, s.Owners = "quick", 3, 0
	s.Hot, s.HotAll = 100*time.Millisecond, false
	s.ColdEach, s.ColdBursts, s.ColdAll = 25, 2, false
	s.Warm, s.Load = 4*time.Second, 1200*time.Millisecond
	s.Workloads, s.Naive = []string{WorkloadUniform}, false
	s.Fleet, s.Signups = 100, 10
	return s
}

// QuickFigures are the numbers of those that Quick is for.
func QuickFigures() []int { return []int{1, 2, 4, 6} }

// Smoke measures nothing worth knowing, in seconds: it is for the test that
// the program works.
func Smoke() Scale {
	return Scale{
		Name: "smoke", Tenants: 120, Owners: 10, Rounds: 1,
		Hot: 5 * time.Millisecond, HotAll: true, ColdEach: 5, ColdBursts: 1, ColdAtOnce: 8, ColdAll: true,
		Pools: 50, Conns: 10, Arrivals: 100, Fair: 100 * time.Millisecond,
		Warm: 50 * time.Millisecond, Load: 100 * time.Millisecond,
		Workloads: []string{WorkloadHot, WorkloadZipf, WorkloadUniform}, Naive: true, Records: 1000,
		Fleet: 8, Signups: 2,
	}
}

// Shorten sets how long each measurement of a way takes, for trying things.
func (s *Scale) Shorten(warm, load time.Duration) {
	if warm > 0 {
		s.Warm = warm
	}
	if load > 0 {
		s.Load, s.Fair = load, load
	}
}
