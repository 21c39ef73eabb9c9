// Package measure has what every figure needs: clients that check what they
// are answered, ways to choose the next tenant, and the statistics.
package measure
