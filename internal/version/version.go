// Package version holds the version of gorewind.
package version

// Number is the version of this program.
const Number = "0.1.0"
