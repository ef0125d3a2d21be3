// Ferrydemo greets with the help of three public modules, one of them with upper-case letters in its path.
package main

import (
	"fmt"
	"os"

	"github.com/BurntSushi/toml"
	"github.com/google/uuid"
	"golang.org/x/text/cases"
	"golang.org/x/text/language"
)

func main() {
	var ticket struct{ Passenger string }
	if _, err := toml.Decode(`passenger = "gopher"`, &ticket); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	number := uuid.NewSHA1(uuid.NameSpaceDNS, []byte(ticket.Passenger))
	name := cases.Title(language.English).String(ticket.Passenger)
	fmt.Printf("Welcome aboard, %s. Your ticket: %s\n", name, number)
}
