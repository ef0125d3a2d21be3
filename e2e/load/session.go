// Package load plays what developers and CI jobs ask a shim for, against a store of made-up module versions that is as large
// as need be, and tells what the shim and the registry need for it.
package load

import (
	_ "embed"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
)

// Kinds are the kinds of requests of a session, in the order in which a go command comes to them. Absent is any request for
// what the store does not have.
var Kinds = []string{"supported", "list", "latest", "mod", "info", "lookup", "tile", "zip", "revision", Absent}

// Absent is the kind of a request that is answered with 404.
const Absent = "absent"

// A Session is what one command asked a shim for.
type Session struct {
	Project, Command string
	Requests         map[string]int // by kind
	Bytes            int64          // of all bodies
	Connections      int            // opened
	Parallel         int            // requests at a time, at most
	Idle             float64        // share of the time from the first request to the last without any
}

// Total returns the number of requests.
func (s Session) Total() int {
	n := 0
	for _, of := range s.Requests {
		n += of
	}
	return n
}

//go:embed day.tsv
var day string

// Recorded returns the sessions that were recorded with real commands, by project and command.
func Recorded() ([]Session, error) { return readSessions(day) }

var columns = slices.Concat([]string{"project", "command"}, Kinds, []string{"bytes", "connections", "parallel", "idle"})

// WriteSessions writes a table, a line each with tabs between the columns.
func WriteSessions(w io.Writer, sessions []Session) error {
	lines := []string{
		"# What real commands asked a shim for, as make load-record recorded it. Commands with \"cold\" had no module cache.",
		strings.Join(columns, "\t"),
	}
	for _, s := range sessions {
		fields := []string{s.Project, s.Command}
		for _, kind := range Kinds {
			fields = append(fields, strconv.Itoa(s.Requests[kind]))
		}
		fields = append(fields, strconv.FormatInt(s.Bytes, 10), strconv.Itoa(s.Connections), strconv.Itoa(s.Parallel),
			strconv.FormatFloat(s.Idle, 'f', 2, 64))
		lines = append(lines, strings.Join(fields, "\t"))
	}
	_, err := io.WriteString(w, strings.Join(lines, "\n")+"\n")
	return err
}

// readSessions reads what WriteSessions writes.
func readSessions(table string) ([]Session, error) {
	var sessions []Session
	for i, line := range strings.Split(strings.TrimSpace(table), "\n") {
		fields := strings.Split(line, "\t")
		if strings.HasPrefix(line, "#") || fields[0] == columns[0] {
			continue
		}
		if len(fields) != len(columns) {
			return nil, fmt.Errorf("line %d has %d columns, not %d", i+1, len(fields), len(columns))
		}
		s := Session{Project: fields[0], Command: fields[1], Requests: map[string]int{}}
		numbers := make([]float64, len(fields))
		for j, field := range fields[2:] {
			n, err := strconv.ParseFloat(field, 64)
			if err != nil {
				return nil, fmt.Errorf("line %d: %w", i+1, err)
			}
			numbers[j+2] = n
		}
		for j, kind := range Kinds {
			if n := int(numbers[j+2]); n > 0 {
				s.Requests[kind] = n
			}
		}
		rest := numbers[2+len(Kinds):]
		s.Bytes, s.Connections, s.Parallel, s.Idle = int64(rest[0]), int(rest[1]), int(rest[2]), rest[3]
		sessions = append(sessions, s)
	}
	return sessions, nil
}
