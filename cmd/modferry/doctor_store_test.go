package main

import (
	"encoding/base64"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/modferry/modferry/cmd/modferry/internal/command"
	"github.com/modferry/modferry/cmd/modferry/internal/doctor"
	"github.com/modferry/modferry/registry/remote/registrytest"
)

func TestDoctorKnowsWhatRegistriesSay(t *testing.T) {
	c := newMachine(t)
	for name, test := range map[string]struct {
		fault  registrytest.Fault
		check  string
		status doctor.Status
		detail string
	}{
		"no catalog":     {registrytest.Denied().On("", registrytest.Catalog), "store", doctor.Note, "a system robot with catalog: read"},
		"disabled robot": {registrytest.HarborRobotDisabled(), "store", doctor.Wrong, "neither disabled nor expired"},
		"no pull right":  {registrytest.HarborRightMissing("pull"), "snapshot", doctor.Wrong, "give the account the right to pull"},
		"no project":     {registrytest.HarborProjectMissing().On("", registrytest.Manifest), "snapshot", doctor.Wrong, "check that the project exists"},
		"dead upstream":  {registrytest.CacheWithoutUpstream(), "snapshot", doctor.Wrong, "pull-through cache whose upstream does not answer"},
	} {
		t.Run(name, func(t *testing.T) {
			reg := registrytest.New(t, registrytest.Options{Auth: registrytest.HarborToken, User: "robot$ci", Password: "p"})
			t.Setenv("DOCKER_CONFIG", t.TempDir())
			auth := base64.StdEncoding.EncodeToString([]byte("robot$ci:p"))
			must(t, os.WriteFile(filepath.Join(os.Getenv("DOCKER_CONFIG"), "config.json"),
				[]byte(`{"auths":{"`+reg.Host()+`":{"auth":"`+auth+`"}}}`), 0o600))
			reg.Inject(test.fault)
			f := c.doctor(command.ExitFailed, "--registry", reg.Host()+"/golang")[test.check]
			if f.Status != test.status || !strings.Contains(f.Detail, test.detail) {
				t.Errorf("%+v", f)
			}
		})
	}
	findings := c.doctor(command.ExitFailed, "--registry", "127.0.0.1:1/golang", "--write")
	if _, twice := findings["snapshot"]; twice {
		t.Error("a registry that is not there is told twice")
	}
	f := findings["store"]
	if f.Status != doctor.Wrong || !strings.Contains(f.Detail, "check the registry's name and port") {
		t.Errorf("%+v", f)
	}
}

func TestDoctorFindsOutWhetherAStoreTakesContent(t *testing.T) {
	c := newMachine(t)
	auth := `{"auths":{"HOST":{"auth":"` + base64.StdEncoding.EncodeToString([]byte("robot$ci:p")) + `"}}}`
	for name, test := range map[string]struct {
		fault  *registrytest.Fault
		status doctor.Status
		detail string
		left   int
	}{
		"yes":                {nil, doctor.OK, "only pushing tells", 0},
		"no right to push":   {new(registrytest.HarborRightMissing("push")), doctor.Wrong, "give the account the right to push", 0},
		"read-only":          {new(registrytest.HarborReadOnly()), doctor.Wrong, "read only mode", 0},
		"a cache":            {new(registrytest.CacheTakesNothing()), doctor.Wrong, "pull-through cache", 0},
		"no right to cancel": {new(registrytest.Denied().On("DELETE", "")), doctor.Note, "could not be cancelled", 1},
	} {
		t.Run(name, func(t *testing.T) {
			reg := registrytest.New(t, registrytest.Options{Auth: registrytest.HarborToken, User: "robot$ci", Password: "p"})
			t.Setenv("DOCKER_CONFIG", t.TempDir())
			must(t, os.WriteFile(filepath.Join(os.Getenv("DOCKER_CONFIG"), "config.json"), []byte(strings.Replace(auth, "HOST", reg.Host(), 1)), 0o600))
			if test.fault != nil {
				reg.Inject(*test.fault)
			}
			f := c.doctor(command.ExitFailed, "--write", "--registry", reg.Host()+"/golang")["push"]
			if f.Status != test.status || !strings.Contains(f.Detail, test.detail) || reg.OpenUploads() != test.left {
				t.Errorf("%+v, %d uploads are left", f, reg.OpenUploads())
			}
		})
	}
	if _, asked := c.doctor(command.ExitFailed, "--registry", "oci:"+c.path("none"))["push"]; asked {
		t.Error("without --write it was tried to push")
	}
}
