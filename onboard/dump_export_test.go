package onboard

// Parameters reads a connection string.
func Parameters(dsn string) map[string]string { return parameters(dsn) }
