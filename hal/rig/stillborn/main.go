// Command stillborn is a version of the device program that can say what it is
// and ends whenever it is started: an update to it goes back.
package main

import (
	"fmt"
	"os"
)

func main() {
	if len(os.Args) > 1 && os.Args[1] == "version" {
		fmt.Println(`{"version":"stillborn"}`)
		return
	}
	os.Exit(3)
}
