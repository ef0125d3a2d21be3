package strictyaml

import (
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// menu is what the tests read: a field of every kind.
type menu struct {
	dish   string
	hot    bool
	guests int
	wines  []string
	prices map[string]string
}

// read reads a menu of at most 200 bytes.
func read(data string) (menu, error) {
	m := menu{prices: make(map[string]string)}
	wine := func(s string) error {
		if s == "water" {
			return errors.New("that is no wine")
		}
		m.wines = append(m.wines, s)
		return nil
	}
	r := NewReader("menu.yaml")
	if root := r.Document([]byte(data), 200); root != nil {
		r.Fields(root,
			Field{"version", r.Version},
			Field{"dish", &m.dish},
			Field{"hot", &m.hot},
			Field{"guests", &m.guests},
			Field{"wines", r.List(wine)},
			Field{"more", r.EmptyList(wine)},
			Field{"prices", r.Map(func(name string, n *yaml.Node) { m.prices[name] = r.Text(n) })})
	}
	return m, r.Err()
}

func TestValuesOfEveryKindAreRead(t *testing.T) {
	m, err := read("version: 1\ndish: soup\nhot: true\nguests: 4\nwines: [red, white]\nmore: []\nprices: {soup: '3', wine: '5'}\n")
	if err != nil {
		t.Fatal(err)
	}
	if m.dish != "soup" || !m.hot || m.guests != 4 || !slices.Equal(m.wines, []string{"red", "white"}) ||
		!maps.Equal(m.prices, map[string]string{"soup": "3", "wine": "5"}) {
		t.Errorf("%+v", m)
	}
}

func TestProblemsNameTheLineAndTheField(t *testing.T) {
	for text, want := range map[string]string{
		"":                                     "menu.yaml:1: the file is empty",
		"dish: soup":                           "menu.yaml:1: the field version is missing",
		"version: 2":                           "menu.yaml:1: version: this must be the number 1",
		"version: 1\ndishes: soup":             `menu.yaml:2: there is no field "dishes": did you mean dish?`,
		"version: 1\nx: soup":                  `menu.yaml:2: there is no field "x": there are version, dish, hot`,
		"version: 1\nversion: 1":               `menu.yaml:2: the field "version" is there already`,
		"version: 1\ndish: 7":                  "menu.yaml:2: dish: this must be text, not !!int",
		"version: 1\ndish:":                    "menu.yaml:2: dish: a value is missing",
		"version: 1\nhot: yes":                 "menu.yaml:2: hot: this must be true or false",
		"version: 1\nguests: 0":                "menu.yaml:2: guests: this must be a whole number from 1",
		"version: 1\nguests: 010":              "menu.yaml:2: guests: this must be a whole number from 1",
		"version: 1\nwines: []":                "menu.yaml:2: wines: this must be a list with one item at least",
		"version: 1\nwines: red":               "menu.yaml:2: wines: this must be a list with one item at least",
		"version: 1\nwines:\n- red\n- water":   "menu.yaml:4: wines: that is no wine",
		"version: 1\nmore: {}":                 "menu.yaml:2: more: this must be a list",
		"version: 1\nprices: {}":               "menu.yaml:2: prices: this must be names with values, one at least",
		"version: 1\nprices: [a]":              "menu.yaml:2: prices: this must be names with values",
		"version: 1\nprices: {a: '1', a: '2'}": `menu.yaml:2: prices: the name "a" is there already`,
		"version: 1\nprices: {a: 1}":           "menu.yaml:2: prices: a: this must be text, not !!int",
		"version: 1\ndish: &x soup":            "menu.yaml:2: anchors (&x), aliases (*x) and tags (!x) are not read here",
		"version: 1\ndish: !x soup":            "menu.yaml:2: anchors (&x)",
		"version: 1\n---\nversion: 1":          "menu.yaml:2: a second document begins here",
		"version: 1\n<<<<<<< HEAD":             "menu.yaml:2: this is a merge conflict",
		"version: 1 # \u2028hot: true":         "menu.yaml:1: the line has a control character in it",
		"version: 1 # \xff":                    "menu.yaml:1: the line is not UTF-8 text",
		"version: 1\ndish: [":                  "menu.yaml: this is not YAML",
		strings.Repeat(" ", 201):               "menu.yaml: the file has 201 bytes; at most 200 are read",
	} {
		if _, err := read(text); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%q:\n got %v\nwant %s", text, err, want)
		}
	}
}

func TestAllProblemsAreToldInTheOrderOfTheirLines(t *testing.T) {
	_, err := read("version: 2\nwines: [water]\nhot: 1\n")
	want := "menu.yaml:1: version: this must be the number 1; a newer modferry may read others\n" +
		"menu.yaml:2: wines: that is no wine\nmenu.yaml:3: hot: this must be true or false"
	if err == nil || err.Error() != want {
		t.Errorf("got\n%v\nwant\n%s", err, want)
	}
}

func FuzzReader(f *testing.F) {
	f.Add("version: 1\ndish: soup\nprices: {a: '1'}\n")
	f.Add("version: 1\nwines: [*a]\n")
	f.Fuzz(func(t *testing.T, text string) {
		m, err := read(text)
		if err != nil {
			for line := range strings.SplitSeq(err.Error(), "\n") {
				if !strings.HasPrefix(line, "menu.yaml:") {
					t.Fatalf("a problem without its place: %q", line)
				}
			}
			return
		}
		if m.guests < 0 || strings.ContainsAny(m.dish, "\n\r\x00") {
			t.Fatalf("%+v", m)
		}
	})
}
