// Package figures measures the ten figures. Machines are noisy, so each is
// a ratio to a baseline that was measured in the same run, the two taking
// turns; what is reported is the median of the rounds' ratios. No figure
// decides a test.
package figures
