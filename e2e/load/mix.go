package load

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"
)

// A Use says how often a command runs in a working day for each developer, by whomever.
type Use struct {
	Command string
	PerDay  float64
}

// A Mix is what the working day of a developer is made of.
type Mix struct {
	Uses []Use
	// Projects are the shares of the projects that the recorded ones stand for.
	Projects map[string]float64
}

// DefaultMix is an assumption, on the side of too much: ten jobs a day for each developer that keep no module cache from one
// to the next. What developers do with a warm module cache costs next to nothing, however often they do it.
func DefaultMix() Mix {
	return Mix{
		Uses: []Use{
			{"build, cold", 7},
			{"mod download, cold", 2},
			{"mod tidy, cold", 1},
			{"install govulncheck, cold", 1}, // CI
			{"first build", 0.1},
			{"build, warm", 40},
			{"mod tidy, first", 0.1},
			{"mod tidy, warm", 4}, // developers
			{"list -m -u all, again", 0.5},
			{"get -u", 0.2},
			{"Renovate", 0.5},
		},
		Projects: map[string]float64{"cobra": 0.3, "controller-runtime": 0.5, "cosign": 0.2},
	}
}

// A Job is a session to play, of one of many projects.
type Job struct {
	Session
	Project int
}

// Jobs returns the sessions of so many developers' day, in random order, the same each time. Projects are numbered: three
// developers work on each.
func (m Mix) Jobs(recorded []Session, developers float64) ([]Job, error) {
	random := rand.New(rand.NewPCG(1, 2))
	projects := max(1, int(developers/3))
	var jobs []Job
	for _, use := range m.Uses {
		found := false
		for _, s := range recorded {
			share, ok := m.Projects[s.Project]
			if !ok || s.Command != use.Command {
				continue
			}
			found = true
			n := use.PerDay * share * developers
			times := int(n)
			if random.Float64() < n-float64(times) {
				times++
			}
			for range times {
				jobs = append(jobs, Job{s, random.IntN(projects)})
			}
		}
		if !found {
			return nil, fmt.Errorf("no recorded session of %q", use.Command)
		}
	}
	random.Shuffle(len(jobs), func(i, j int) { jobs[i], jobs[j] = jobs[j], jobs[i] })
	return jobs, nil
}

// Closed plays jobs with so many clients, each of which begins its next job when it has ended one: as fast as the shim answers.
func (p *Player) Closed(ctx context.Context, jobs []Job, clients int) *Result {
	to := new(Result)
	var g errgroup.Group
	g.SetLimit(clients)
	for _, j := range jobs {
		g.Go(func() error {
			if p.Play(ctx, j.Session, j.Project, false, to) == nil { // else it is among the result's errors
				to.ended()
			}
			return nil
		})
	}
	_ = g.Wait()
	return to
}

// Open plays jobs that begin at random moments within a time, whether or not those before have ended: as people come. Where
// the shim is too slow, there are more and more of them, and latencies say so.
func (p *Player) Open(ctx context.Context, jobs []Job, within time.Duration) *Result {
	to := new(Result)
	random := rand.New(rand.NewPCG(3, 4))
	starts := make([]time.Duration, len(jobs))
	for i := range starts {
		starts[i] = time.Duration(random.Int64N(int64(within) + 1))
	}
	slices.Sort(starts)
	var g errgroup.Group
	began := time.Now()
	for i, j := range jobs {
		pause(ctx, time.Until(began.Add(starts[i])))
		g.Go(func() error {
			if p.Play(ctx, j.Session, j.Project, true, to) == nil {
				to.ended()
			}
			return nil
		})
	}
	_ = g.Wait()
	return to
}
