package load

import (
	"bytes"
	"reflect"
	"strings"
	"testing"
)

func TestSessionsAreReadAsTheyWereWritten(t *testing.T) {
	want := []Session{
		{Project: "p", Command: "build, cold", Requests: map[string]int{"mod": 3, "zip": 2, Absent: 1}, Bytes: 7, Connections: 4, Parallel: 10, Idle: 0.25},
		{Project: "p", Command: "build, warm", Requests: map[string]int{}},
	}
	var table bytes.Buffer
	if err := WriteSessions(&table, want); err != nil {
		t.Fatal(err)
	}
	got, err := readSessions(table.String())
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, %v", got, err)
	}
	for _, broken := range []string{"p\tc\t1", strings.Replace(table.String(), "\t3\t", "\tx\t", 1)} {
		if _, err := readSessions(broken); err == nil {
			t.Errorf("%q: no error", broken)
		}
	}
}

func TestADayIsMadeOfRecordedSessions(t *testing.T) {
	recorded, err := Recorded()
	if err != nil {
		t.Fatal(err)
	}
	jobs, err := DefaultMix().Jobs(recorded, 30)
	if err != nil {
		t.Fatal(err)
	}
	cold := 0
	for _, j := range jobs {
		if j.Command == "build, cold" {
			cold++
			if j.Requests["zip"] == 0 || j.Requests["mod"] == 0 {
				t.Errorf("a cold build of %s asks for nothing", j.Session.Project)
			}
		}
		if j.Command == "build, warm" && j.Total() > 0 {
			t.Errorf("a warm build of %s asks for %d", j.Session.Project, j.Total())
		}
	}
	if cold < 7*30-3 || cold > 7*30+3 {
		t.Errorf("%d cold builds in a day of 30 developers", cold)
	}
}
