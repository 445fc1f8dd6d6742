// Package version says which gorewind this is.
package version

// Number is the version of this program.
const Number = "0.1.0"
