package page

import (
	"archive/zip"
	"io"
	"strings"

	"golang.org/x/mod/module"
)

// maxLicense is how much of a licence's text is read, in bytes.
const maxLicense = 256 << 10

// licenseFiles are the names of files with the licence, in lower case, without extension.
var licenseFiles = []string{"license", "licence", "copying", "unlicense"}

// license returns the SPDX identifier of the licence in the root of a module's zip, "see NAME" for one that is not
// recognised, and "" where there is none. It is for orientation, and no legal advice.
func license(z *zip.Reader, m module.Version) string {
	for _, f := range z.File {
		name, ok := strings.CutPrefix(f.Name, m.String()+"/")
		base, _, _ := strings.Cut(strings.ToLower(name), ".")
		if !ok || !isLicenseFile(base) {
			continue
		}
		text, err := readStart(f)
		if err != nil {
			return ""
		}
		if id := recognise(text); id != "" {
			return id
		}
		return "see " + name
	}
	return ""
}

func isLicenseFile(base string) bool {
	for _, name := range licenseFiles {
		if base == name || strings.HasPrefix(base, name+"-") {
			return true
		}
	}
	return false
}

func readStart(f *zip.File) (string, error) {
	r, err := f.Open()
	if err != nil {
		return "", err
	}
	defer r.Close()
	data, err := io.ReadAll(io.LimitReader(r, maxLicense))
	return string(data), err
}

// licenses are phrases that each text has and no other one further down, in lower case with single spaces.
var licenses = []struct {
	id      string
	phrases []string
}{
	{"Apache-2.0", []string{"apache license", "version 2.0"}},
	{"MPL-2.0", []string{"mozilla public license", "version 2.0"}},
	{"AGPL-3.0", []string{"gnu affero general public license", "version 3"}},
	{"LGPL-3.0", []string{"gnu lesser general public license", "version 3"}},
	{"LGPL-2.1", []string{"gnu lesser general public license", "version 2.1"}},
	{"GPL-3.0", []string{"gnu general public license", "version 3"}},
	{"GPL-2.0", []string{"gnu general public license", "version 2"}},
	{"Unlicense", []string{"this is free and unencumbered software released into the public domain"}},
	{"CC0-1.0", []string{"cc0 1.0 universal"}},
	{"BSD-3-Clause", []string{"redistribution and use in source and binary forms", "neither the name of", "endorse or promote"}},
	{"BSD-2-Clause", []string{"redistribution and use in source and binary forms", "binary form must reproduce"}},
	{"MIT", []string{"permission is hereby granted, free of charge", "the software is provided \"as is\""}},
	{"ISC", []string{"permission to use, copy, modify, and/or distribute this software for any purpose"}},
	{"ISC", []string{"permission to use, copy, modify, and distribute this software for any purpose"}},
}

// recognise returns the SPDX identifier of a licence's text, or "".
func recognise(text string) string {
	text = strings.ToLower(strings.Join(strings.Fields(text), " "))
	for _, l := range licenses {
		all := true
		for _, phrase := range l.phrases {
			all = all && strings.Contains(text, phrase)
		}
		if all {
			return l.id
		}
	}
	return ""
}
