// Package plot draws the plots of a run as SVG, readable on light and on dark
// paper.
package plot
