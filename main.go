// Gorewind is an event store that speaks ZeroMQ.
package main

import (
	"os"

	"gorewind/command"
)

func main() { os.Exit(command.Run(os.Args[1:], os.Stdout, os.Stderr)) }
